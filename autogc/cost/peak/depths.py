"""The peak activation memory where units may be left out: one model for each set of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import prod

import numpy as np

from autogc.cost.peak.columns import PeakColumns
from autogc.cost.peak.model import PeakModel
from autogc.cost.tables import Allowed, Controls
from autogc.supernet.groups import ChannelGroup

# Fewer subnets than this without some units are recorded, which is quicker than finding a formula for that set.
FEW = 3
# More sets of left-out units than this are not looked through for the least: it is a lower bound then.
MOST_SETS = 512
Skipped = frozenset[str]


class PeakDepths:
    """``PeakColumns`` for each set of units that a space's depth decisions leave out. ``model_of`` gives the model of such a set."""

    def __init__(
        self,
        model_of: Callable[[Skipped], PeakModel],
        controls: Controls,
        groups: Mapping[str, ChannelGroup],
        layers: Sequence[str],
        units: Sequence[str],
    ) -> None:
        self._model_of = model_of
        self._controls = controls
        self._groups = groups
        self._layers = layers
        # For each decision over depth, the units that each of its values leaves out.
        self._skipped: dict[int, list[Skipped]] = {}
        for unit in units:
            decided = controls.of("depth", unit)
            if decided is not None:
                left_out = self._skipped.setdefault(decided[0], [frozenset()] * len(decided[1]))
                self._skipped[decided[0]] = [
                    before | {unit} if value == "skip" else before for before, value in zip(left_out, decided[1], strict=True)
                ]
        self._columns: dict[Skipped, PeakColumns] = {}
        self._one_by_one: dict[Skipped, PeakColumns] = {}

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the peak, int64 (N,), of value indices ``rows`` (decisions, N)."""
        if not self._skipped:
            return self._of(frozenset()).of(rows)
        found = np.empty(rows.shape[1], dtype=np.int64)
        combinations, which = np.unique(rows[list(self._skipped)], axis=1, return_inverse=True)
        for index, combination in enumerate(combinations.T):
            here = np.flatnonzero(which.reshape(-1) == index)
            skipped = self._without(combination)
            formula = not skipped or skipped in self._columns or len(here) >= FEW
            found[here] = self._of(skipped, formula=formula).of(np.ascontiguousarray(rows[:, here]))
        return found

    def least(self, allowed: Allowed) -> tuple[int, list[int]]:
        """As ``PeakColumns.least``; with more than ``MOST_SETS`` sets of left-out units a lower bound, the bytes of the input."""
        if prod(len(allowed[decision]) for decision in self._skipped) > MOST_SETS:
            return self._model_of(frozenset()).input_bytes, [len(values) - 1 for values in allowed]
        found = []
        for places in product(*(range(len(allowed[decision])) for decision in self._skipped)):
            values = [allowed[decision][place] for decision, place in zip(self._skipped, places, strict=True)]
            value, chosen = self._of(self._without(values)).least(allowed)
            for decision, place in zip(self._skipped, places, strict=True):
                chosen[decision] = place
            found.append((value, chosen))
        return min(found)

    def _without(self, values: Sequence[int] | np.ndarray) -> Skipped:
        return frozenset().union(*(sets[int(value)] for sets, value in zip(self._skipped.values(), values, strict=True)))

    def _of(self, skipped: Skipped, *, formula: bool = True) -> PeakColumns:
        known = self._columns if formula else self._one_by_one
        if skipped not in known:
            known[skipped] = PeakColumns(self._model_of(skipped), self._controls, self._groups, self._layers, formula=formula)
        return known[skipped]
