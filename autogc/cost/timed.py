"""The costs of a space with its latency among them, predicted from measured layers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

import numpy as np

from autogc.cost.formula import COSTS
from autogc.cost.latency.predictor import LatencyPredictor
from autogc.cost.model import CostModel
from autogc.supernet.candidate import Value
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet

LATENCY = "latency_ms"
# Candidates among which the descent to the fastest begins.
DRAWS = 4096


class TimedCostModel(CostModel):
    """A ``CostModel`` that knows ``latency_ms`` of every candidate too, float64 milliseconds, as a predictor has it."""

    unknown: tuple[str, ...] = ()

    def __init__(self, supernet: Supernet, space: Space, predictor: LatencyPredictor) -> None:
        super().__init__(supernet, space)
        self.predictor = predictor

    def costs_of(self, columns: np.ndarray, *, only: Collection[str] = (*COSTS, LATENCY)) -> dict[str, np.ndarray]:
        """Return each cost of candidates given as value indices, integers (N, decisions), or ``only`` those that are named.

        Counted ones are int64 (N,), latency is float64.
        """
        found = super().costs_of(columns, only=[name for name in only if name != LATENCY])
        return {**found, LATENCY: self.predictor.predict(np.asarray(columns))} if LATENCY in only else found

    def feasible(self, columns: np.ndarray, constraints: Mapping[str, float]) -> np.ndarray:
        """Return which candidates (N, decisions) meet the constraints, bool (N,), that on the predicted latency among them."""
        meets = super().feasible(columns, constraints)
        if LATENCY in constraints:
            meets &= self.predictor.predict(np.asarray(columns)) <= constraints[LATENCY]
        return meets

    def least(self, cost: str) -> int | float:  # type: ignore[override]
        """Return the smallest value that a cost takes anywhere in the space; exact, unless a layer's decisions are too many for
        a table: then latency's is the smallest that a descent finds."""
        return self._fastest[0] if cost == LATENCY else super().least(cost)

    def least_genotype(self, cost: str) -> dict[str, Value]:
        """Return decisions that reach ``least(cost)``."""
        return self.space.genotype(self._fastest[1]) if cost == LATENCY else super().least_genotype(cost)

    @cached_property
    def _fastest(self) -> tuple[float, np.ndarray]:
        # Fewer channels are not always faster, so that no end of the space is the least by itself.
        exact = self.predictor.least()
        if exact is not None:
            return exact
        sizes = np.array([len(decision.values) for decision in self.space.decisions])
        ends = [sizes - 1, self.space.indices(super().least_genotype("macs"))]
        rows = np.concatenate([np.array(ends), self.draw(DRAWS, 0)])
        times = self.predictor.predict(rows)
        row, least = rows[int(times.argmin())], float(times.min())
        while True:
            steps = np.array([[*row[:d], value, *row[d + 1 :]] for d, size in enumerate(sizes) for value in range(size) if value != row[d]])
            times = self.predictor.predict(steps)
            if float(times.min()) >= least:
                return least, row
            row, least = steps[int(times.argmin())], float(times.min())
