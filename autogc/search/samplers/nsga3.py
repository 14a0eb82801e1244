"""NSGA-III."""

from __future__ import annotations

from optuna.samplers import NSGAIIISampler

from autogc.search.samplers.base import SAMPLERS, Strategy
from autogc.search.samplers.nsga2 import evolution


@SAMPLERS.register("nsga3")
def nsga3(*, population_size: int | None = None, mutation_prob: float | None = None, crossover_prob: float = 0.9) -> Strategy:
    """NSGA-III, made for three objectives and more. The population is as for ``nsga2``."""
    return evolution(NSGAIIISampler, population_size, mutation_prob=mutation_prob, crossover_prob=crossover_prob)
