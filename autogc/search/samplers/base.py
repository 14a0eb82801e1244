"""What a sampler is to a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from optuna.samplers import BaseSampler

from autogc.config.experiment import SearchConfig
from autogc.registry import Registry
from autogc.search.encoding import Row
from autogc.search.feasibility import FeasibleRegion

# Proposals in a row that may be infeasible or known before the study looks for a feasible one itself. Each costs a tenth of a second in
# the study's database; more than two are worth it only for a sampler that learns from them.
PATIENCE, LEARNING_PATIENCE = 2, 5


@dataclass(frozen=True)
class Setting:
    """What a sampler is made for: the study's seed, its number of evaluations, what is feasible, what needs no evaluation again, the
    objectives, and the limits on what only an evaluation tells (scores, unpredicted latency)."""

    seed: int
    evaluations: int
    region: FeasibleRegion
    seen: Callable[[Row], bool]
    objectives: tuple[str, ...]
    measured_limits: Mapping[str, float]

    @property
    def limits_on_others(self) -> dict[str, float]:
        """The measured limits that are on no objective."""
        return {name: limit for name, limit in self.measured_limits.items() if name not in self.objectives}

    @classmethod
    def of(cls, config: SearchConfig, *, seed: int, region: FeasibleRegion, seen: Callable[[Row], bool]) -> Setting:
        """Return what an experiment's ``search`` says."""
        measured = {name: limit for name, limit in config.constraints.items() if name not in region.limits}
        return cls(seed, config.evaluations, region, seen, tuple(config.objectives), measured)


@dataclass(frozen=True)
class Plan:
    """A sampler, and what the study does when its proposals can't be used.

    After ``patience`` of them in a row, the study proposes a feasible candidate: near the last proposal when ``repairs``, else any.
    """

    sampler: BaseSampler
    patience: int = PATIENCE
    repairs: bool = True


Strategy = Callable[[Setting], Plan]
SAMPLERS: Registry[Strategy] = Registry("sampler")
