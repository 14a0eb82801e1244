"""Chance."""

from __future__ import annotations

from optuna.samplers import RandomSampler

from autogc.search.samplers.base import SAMPLERS, Plan, Strategy


@SAMPLERS.register("random")
def random() -> Strategy:
    """Uniform draws from the feasible candidates: what every other sampler has to beat."""
    return lambda setting: Plan(RandomSampler(seed=setting.seed), patience=1, repairs=False)
