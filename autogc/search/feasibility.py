"""Candidates that meet the constraints, found with the closed-form costs and without evaluating anything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from autogc.config.experiment import COSTS
from autogc.errors import InfeasibleError
from autogc.search.encoding import Encoding, Row

if TYPE_CHECKING:
    from autogc.cost import CostModel

# A space of no more candidates than this is looked through whole; of a larger one, this many are drawn before giving up.
LOOK_THROUGH = 1 << 16
BATCH = 1 << 12
# Steps from the largest candidate to a feasible one, in which the largest feasible one is looked for.
SHRINKING_STEPS = 64


def check_feasible(costs: CostModel, constraints: Mapping[str, float]) -> None:
    """Raise InfeasibleError when no candidate of the space can meet the constraints, with the least reachable value of each at fault.

    Of a cost that ``costs`` does not know (latency without a predictor) only a limit that nothing can be below is refused.
    Takes milliseconds; trains and evaluates nothing.
    """
    problems = []
    for name, limit in constraints.items():
        if name in costs.unknown:
            if limit <= 0:
                problems.append(f"{name} at most {limit:,.10g} can't be met: nothing takes no time")
        elif (least := costs.least(name)) > limit:
            problems.append(f"{name} at most {limit:,.10g} can't be met: the least that this space reaches is {_figure(least)}")
    if problems:
        raise InfeasibleError("; ".join(problems))
    region = FeasibleRegion(Encoding(costs.space), costs, constraints, np.random.default_rng(0))
    if region.anchor is None:
        limits = ", ".join(f"{name} at most {limit:,.10g}" for name, limit in constraints.items())
        raise InfeasibleError(
            f"no candidate was found that meets {limits} at once, though each can be met alone: raise a limit, or widen space.dimensions"
        )


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


class FeasibleRegion:
    """The part of a space that meets the constraints on the costs that are known; others (latency without a predictor) are passed over."""

    def __init__(self, encoding: Encoding, costs: CostModel, constraints: Mapping[str, float], generator: np.random.Generator) -> None:
        self.encoding = encoding
        self.limits = {name: limit for name, limit in constraints.items() if name not in costs.unknown}
        self._costs = costs
        self._generator = generator
        self.anchor = self._anchor()

    def costs_of(self, row: Row) -> dict[str, float]:
        """Return the known costs of one candidate: those that are counted as integers."""
        return {name: values[0].item() for name, values in self._costs.costs_of(row[None]).items()}

    def known(self, rows: np.ndarray, only: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """Return the known costs of rows (N, decisions), each (N,); ``only`` names those that are wanted."""
        return dict(self._costs.costs_of(rows) if only is None else self._costs.costs_of(rows, only=only))

    def knows(self, cost: str) -> bool:
        """Return whether something is a cost that is known before an evaluation."""
        return cost in COSTS and cost not in self._costs.unknown

    def excess(self, rows: np.ndarray) -> np.ndarray:
        """Return by how much rows (N, decisions) are over the limits, as the sum of shares of them, float64 (N,); 0 is feasible."""
        total = np.zeros(len(rows))
        if self.limits and len(rows):
            costs = self._costs.costs_of(rows, only=self.limits)
            for name, limit in self.limits.items():
                total += np.maximum((costs[name] - limit) / limit, 0.0)
        return total

    def feasible(self, rows: np.ndarray) -> np.ndarray:
        """Return those of the rows (N, decisions) that meet the limits, in the same order."""
        return rows[self.excess(rows) == 0]

    def draw(self, count: int) -> np.ndarray:
        """Return ``count`` uniform draws from the whole space, feasible or not."""
        return self._generator.integers(0, self.encoding.sizes, size=(count, len(self.encoding.sizes)))

    def everything(self) -> np.ndarray | None:
        """Return every feasible row of a space that is small enough to look through, else None."""
        if self.encoding.space.size > LOOK_THROUGH:
            return None
        rows = np.stack(np.unravel_index(np.arange(self.encoding.space.size), self.encoding.sizes), axis=1)
        return self.feasible(rows)

    def largest(self) -> Row:
        """Return a feasible candidate that no decision can make more expensive, all decisions having been cut back alike.

        Decisions list their values from the most to the least expensive: index 0 everywhere is the largest of all.
        """
        assert self.anchor is not None
        shares = np.arange(SHRINKING_STEPS + 1)[:, None] / SHRINKING_STEPS
        row = self.feasible(np.round(shares * self.anchor).astype(np.int64))[0]
        while True:
            larger = [neighbour for neighbour in self.encoding.neighbours(row, adjacent=True) if (neighbour <= row).all()]
            grown = self.feasible(np.array(larger).reshape(-1, len(row)))
            if not len(grown):
                return np.asarray(row)
            # The step that takes the least of what is left, so that as many as possible fit.
            row = grown[int(np.argmin(self._load(grown)))]

    def smallest(self) -> Row:
        """Return the least expensive candidate, or a feasible one near it."""
        assert self.anchor is not None
        row = self.repaired(self.encoding.sizes - 1)
        return self.anchor if row is None else row

    def repaired(self, row: Row) -> Row | None:
        """Return a feasible candidate near ``row``: one decision after another takes a step that lowers the excess, in random order.

        None where no single decision lowers it any more.
        """
        excess = float(self.excess(row[None])[0])
        while excess > 0:
            for adjacent in (True, False):
                steps = self.encoding.neighbours(row, adjacent=adjacent)
                excesses = self.excess(steps)
                lower = np.flatnonzero(excesses < excess)
                if len(lower):
                    break
            else:
                return None
            chosen = int(self._generator.choice(lower))
            row, excess = steps[chosen], float(excesses[chosen])
        return np.asarray(row)

    def unseen(self, seen: Callable[[Row], bool], *, near: Row | None, known: np.ndarray) -> Row | None:
        """Return a feasible candidate that is not ``seen``; None when there is none left, or none is found.

        Looked for near the proposal ``near`` that could not be used, then anywhere, then beside the ``known`` candidates (N, decisions).
        """
        if self.anchor is None:
            return None
        if near is not None:
            repaired = self.repaired(near)
            if repaired is not None:
                found = self._first(np.concatenate([repaired[None], self._shuffled(self.encoding.neighbours(repaired))]), seen)
                if found is not None:
                    return found
        whole = self.everything()
        if whole is not None:
            return self._first(self._shuffled(whole), seen)
        for _ in range(LOOK_THROUGH // BATCH):
            found = self._first(self.draw(BATCH), seen)
            if found is not None:
                return found
        for row in self._shuffled(np.concatenate([self.anchor[None], known])):
            found = self._first(self._shuffled(self.encoding.neighbours(row)), seen)
            if found is not None:
                return found
        return None

    def _first(self, rows: np.ndarray, seen: Callable[[Row], bool]) -> Row | None:
        return next((row for row in self.feasible(rows) if not seen(row)), None)

    def _shuffled(self, rows: np.ndarray) -> np.ndarray:
        return self._generator.permutation(rows)

    def _load(self, rows: np.ndarray) -> np.ndarray:
        """Return how much of the limits the rows use, summed over the limits."""
        costs = self._costs.costs_of(rows, only=self.limits)
        return sum((costs[name] / limit for name, limit in self.limits.items()), np.zeros(len(rows)))

    def _anchor(self) -> Row | None:
        """Return some feasible row."""
        small = [self.encoding.sizes - 1, *(self.encoding.row(self._costs.least_genotype(name)) for name in self.limits)]
        found = self.feasible(np.array(small))
        if len(found):
            return np.asarray(found[0])
        whole = self.everything()
        if whole is not None:
            return whole[0] if len(whole) else None
        for row in (*small, *self.draw(SHRINKING_STEPS)):
            repaired = self.repaired(row)
            if repaired is not None:
                return repaired
        for _ in range(LOOK_THROUGH // BATCH):
            found = self.feasible(self.draw(BATCH))
            if len(found):
                return np.asarray(found[0])
        return None
