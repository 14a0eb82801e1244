"""Gaussian-process search that proposes nothing infeasible and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import GPSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from autogc.search.feasibility import FeasibleRegion

if TYPE_CHECKING:
    from optuna._gp.acqf import BaseAcquisitionFunc

POOL = 2048  # feasible draws that the acquisition function is asked about first, as many as Optuna takes
POOL_BATCHES = 16  # times POOL draws from which they are taken, where few are feasible
STARTS = 6  # of them, the best that are climbed from, beside the incumbents
CLIMB = 30  # steps at most


class FeasibleGPSampler(GPSampler):
    """Optuna's GPSampler with its acquisition function maximised over the feasible, unseen candidates only.

    GPSampler learns of constraints from complete trials alone, so a candidate that is refused before its evaluation teaches it nothing
    and it proposes the next one as blindly. The counted costs are known in closed form, so there is nothing to learn: they
    cut the search for the maximum down to what may be evaluated. The climb looks at all neighbours of all starting points in one batch;
    Optuna's goes one decision of one point at a time. Surrogates and acquisition functions (logEHVI) are Optuna's.
    """

    def __init__(
        self, *, region: FeasibleRegion, seen: Callable[[np.ndarray], bool], seed: int, n_startup_trials: int, deterministic_objective: bool
    ) -> None:
        super().__init__(seed=seed, n_startup_trials=n_startup_trials, deterministic_objective=deterministic_objective)
        self._region = region
        self._seen = seen
        self._names: list[str] = []

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Remember which decisions the acquisition function's columns mean, and let Optuna do the rest."""
        self._names = list(search_space)
        return super().sample_relative(study, trial, search_space)

    def _optimize_acqf(self, acqf: BaseAcquisitionFunc, best_params: np.ndarray | None) -> np.ndarray:
        encoding = self._region.encoding
        where = {decision.name: index for index, decision in enumerate(encoding.space.decisions)}
        columns = [where[name] for name in self._names]
        ordered = np.array([isinstance(encoding.distributions[name], IntDistribution) for name in self._names])
        sizes = encoding.sizes[columns]

        def normalised(rows: np.ndarray) -> np.ndarray:
            # Optuna's own scale: the index of a category, the middle of the n-th part of [0, 1] for an integer.
            return np.where(ordered, (rows[:, columns] + 0.5) / sizes, rows[:, columns])

        def value(rows: np.ndarray) -> np.ndarray:
            if not len(rows):
                return np.empty(0)
            return np.asarray(acqf.eval_acqf_no_grad(normalised(rows)))

        pool = self._feasible_pool()
        if best_params is not None:
            incumbents = np.zeros((len(best_params), len(encoding.sizes)), dtype=np.int64)
            incumbents[:, columns] = np.where(ordered, np.round(best_params * sizes - 0.5), best_params).astype(np.int64)
            around = self._region.feasible(np.concatenate([encoding.neighbours(row) for row in incumbents]))
            pool = np.concatenate([around, pool])
        pool = np.unique(pool, axis=0)
        values = value(pool)
        order = np.argsort(-values, kind="stable")
        ranked = [(float(values[index]), pool[index]) for index in order[: POOL // 8]]
        climbers, heights = pool[order[:STARTS]], values[order[:STARTS]]
        for _ in range(CLIMB):
            steps = [self._region.feasible(encoding.neighbours(climber)) for climber in climbers]
            found = np.split(value(np.concatenate(steps)), np.cumsum([len(rows) for rows in steps])[:-1])
            higher = [index for index, height in enumerate(heights) if len(found[index]) and found[index].max() > height]
            if not higher:
                break
            climbers = np.array([steps[index][int(np.argmax(found[index]))] for index in higher])
            heights = np.array([found[index].max() for index in higher])
            ranked += list(zip(heights.tolist(), climbers, strict=True))
        ranked.sort(key=lambda pair: -pair[0])
        chosen = next((row for _, row in ranked if not self._seen(row)), ranked[0][1])
        return np.asarray(normalised(chosen[None])[0])

    def _feasible_pool(self) -> np.ndarray:
        assert self._region.anchor is not None
        found = [self._region.anchor[None]]
        for _ in range(POOL_BATCHES):
            found.append(self._region.feasible(self._region.draw(POOL)))
            if sum(map(len, found)) >= POOL:
                break
        while sum(map(len, found)) < POOL // 8:
            # Too rare to be drawn: walk there from where draws fall.
            repaired = [row for draw in self._region.draw(64) if (row := self._region.repaired(draw)) is not None]
            if not repaired:
                break
            found.append(np.array(repaired))
        return np.concatenate(found)[:POOL]
