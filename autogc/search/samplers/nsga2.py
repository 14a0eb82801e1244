"""NSGA-II."""

from __future__ import annotations

import numpy as np
from optuna.samplers import NSGAIIISampler, NSGAIISampler

from autogc.search.samplers.base import SAMPLERS, Plan, Strategy


@SAMPLERS.register("nsga2")
def nsga2(*, population_size: int | None = None, mutation_prob: float | None = None, crossover_prob: float = 0.9) -> Strategy:
    """NSGA-II. The population is a tenth of the evaluations, between 10 and 50, unless given: at least ten generations where possible."""
    return evolution(NSGAIISampler, population_size, mutation_prob=mutation_prob, crossover_prob=crossover_prob)


def evolution(kind: type[NSGAIISampler | NSGAIIISampler], population_size: int | None, **rates: float | None) -> Strategy:
    """Return the strategy of an evolutionary sampler with a population as ``nsga2`` says."""
    return lambda setting: Plan(
        kind(population_size=population_size or int(np.clip(setting.evaluations // 10, 10, 50)), seed=setting.seed, **rates)  # type: ignore[arg-type]
    )
