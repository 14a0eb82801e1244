"""NSGA-II."""

from __future__ import annotations

import numpy as np
from optuna.samplers import NSGAIISampler

from autogc.search.samplers.base import SAMPLERS, Plan, Strategy


@SAMPLERS.register("nsga2")
def nsga2(*, population_size: int | None = None, mutation_prob: float | None = None, crossover_prob: float = 0.9) -> Strategy:
    """NSGA-II. The population is a tenth of the evaluations, between 10 and 50, unless given: at least ten generations where possible."""
    return lambda setting: Plan(
        NSGAIISampler(
            population_size=population_size or population(setting.evaluations),
            mutation_prob=mutation_prob,
            crossover_prob=crossover_prob,
            seed=setting.seed,
        )
    )


def population(evaluations: int) -> int:
    """Return the size of a population for a search of so many evaluations."""
    return int(np.clip(evaluations // 10, 10, 50))
