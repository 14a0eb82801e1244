"""What a sampler is to a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from optuna.samplers import BaseSampler

from autogc.config.experiment import SearchConfig
from autogc.registry import Registry
from autogc.search.encoding import Row
from autogc.search.feasibility import FeasibleRegion
from autogc.search.past import Past
from autogc.search.screening import Bar

# Proposals in a row that may be infeasible or known before the study looks for a feasible one itself. Each costs a tenth of a second in
# the study's database; more than two are worth it only for a sampler that learns from them.
PATIENCE, LEARNING_PATIENCE = 2, 5
# The attribute of a trial that holds what the first images alone said, by score.
FIRST = "first"


@dataclass(frozen=True)
class Setting:
    """What a sampler is made for: the study's seed, its number of evaluations, what is feasible, what needs no evaluation again, the
    objectives, the limits on what only an evaluation tells (scores, unpredicted latency), other searches' evaluations, and how many images
    a candidate is scored on first."""

    seed: int
    evaluations: int
    region: FeasibleRegion
    seen: Callable[[Row], bool]
    objectives: tuple[str, ...]
    measured_limits: Mapping[str, float]
    past: tuple[Past, ...] = ()
    first_images: int | None = None

    @property
    def limits_on_others(self) -> dict[str, float]:
        """The measured limits that are on no objective."""
        return {name: limit for name, limit in self.measured_limits.items() if name not in self.objectives}

    @classmethod
    def of(
        cls, config: SearchConfig, *, seed: int, region: FeasibleRegion, seen: Callable[[Row], bool], past: Sequence[Past] = ()
    ) -> Setting:
        """Return what an experiment's ``search`` says."""
        measured = {name: limit for name, limit in config.constraints.items() if name not in region.limits}
        return cls(seed, config.evaluations, region, seen, tuple(config.objectives), measured, tuple(past), config.first_images)


@dataclass(frozen=True)
class Plan:
    """A sampler, and what the study does when its proposals can't be used.

    After ``patience`` of them in a row, the study proposes a feasible candidate: near the last proposal when ``repairs``, else any.
    ``bar_of`` says what the candidate of a trial, by its number, must reach on the first images (``Setting.first_images``).
    """

    sampler: BaseSampler
    patience: int = PATIENCE
    repairs: bool = True
    bar_of: Callable[[int], Bar | None] = lambda number: None


Strategy = Callable[[Setting], Plan]
SAMPLERS: Registry[Strategy] = Registry("sampler")
