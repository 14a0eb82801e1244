"""The measured layers of every candidate of a space, summed by kind: tables of few decisions, so that a million take seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod

import numpy as np

from autogc.cost.latency.calls import KINDS
from autogc.cost.latency.program import DEPTH, NEUTRAL, RUNNING, ElasticCall, Program, Variant
from autogc.cost.latency.table import LayerTimes
from autogc.cost.tables import Controls
from autogc.supernet.candidate import Value
from autogc.supernet.groups import ChannelGroup
from autogc.supernet.space import Space

# What a candidate's latency is a sum of: milliseconds of its calls by kind, and how many there are.
FEATURES = (*KINDS, "calls")
# More combinations than this are worked out for the rows that are asked for.
LARGEST_TABLE = 1 << 16
CHUNK = 1 << 15


@dataclass(frozen=True)
class FeatureTable:
    """``values`` is float64, one axis a decision of ``decisions`` (ascending), then one for what is summed."""

    decisions: tuple[int, ...]
    values: np.ndarray

    def weighed(self, weights: np.ndarray) -> FeatureTable:
        """Return the table of one sum, with each feature times its weight."""
        return FeatureTable(self.decisions, (self.values @ weights)[..., None])

    def plus(self, other: FeatureTable) -> FeatureTable:
        """Return the sum with a table whose decisions are among this one's."""
        lengths = dict(zip(other.decisions, other.values.shape, strict=False))
        shape = [lengths.get(decision, 1) for decision in self.decisions]
        return FeatureTable(self.decisions, self.values + other.values.reshape(*shape, self.values.shape[-1]))

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Return the values (N, features) at value indices ``rows`` (decisions, N)."""
        lengths = self.values.shape[:-1]
        place = np.zeros(rows.shape[1], dtype=np.intp)
        for axis, decision in enumerate(self.decisions):
            place += rows[decision] * prod(lengths[axis + 1 :])
        return np.asarray(self.values.reshape(-1, self.values.shape[-1])[place])


class Owners:
    """Which decisions each owner of a program depends on, and its calls under each combination of them."""

    def __init__(self, program: Program, space: Space, groups: Sequence[ChannelGroup]) -> None:
        self.program = program
        self.controls = Controls(space)
        self._groups = {group.name: group for group in groups}
        self._full = [range(size) for size in self.controls.sizes]
        self._kept = {name: self.controls.kept(group, self._full) for name, group in self._groups.items()}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.program.calls)

    def deciding(self, owner: str) -> tuple[int, ...]:
        """Return the decisions that an owner's calls depend on, ascending."""
        variants = self.program.calls[owner]
        found = {decision for calls in variants.values() for call in calls for group in call.groups for decision in self._kept[group][0]}
        if len(variants) > 1:
            found |= {control[0] for dimension in RUNNING if (control := self.controls.of(dimension, owner)) is not None}
        if (depth := self._depth(owner)) is not None:
            found.add(depth[0])
        return tuple(sorted(found))

    def _depth(self, owner: str) -> tuple[int, tuple[Value | None, ...]] | None:
        return self.controls.of(DEPTH, self.program.units.get(owner, ""))

    def combinations(self, owner: str) -> int:
        """Return how many combinations of decisions there are for an owner."""
        return prod(self.controls.sizes[decision] for decision in self.deciding(owner))

    def everything(self, owner: str) -> np.ndarray:
        """Return every combination of an owner's decisions as rows (decisions of the space, combinations); other decisions are 0."""
        decisions = self.deciding(owner)
        rows = np.zeros((len(self.controls.sizes), self.combinations(owner)), dtype=np.int64)
        indices = np.indices([self.controls.sizes[decision] for decision in decisions]).reshape(len(decisions), rows.shape[1])
        rows[list(decisions)] = indices
        return rows

    def calls(self, owner: str, rows: np.ndarray) -> list[tuple[np.ndarray, ElasticCall, np.ndarray, np.ndarray]]:
        """Return an owner's calls for ``rows`` (decisions, N): which make it, the call, its different integers (U, K), which of these."""
        found = []
        for variant, here in self._by_variant(owner, rows):
            for call in self.program.calls[owner][variant]:
                kept = {group: self._channels(group, rows[:, here]) for group in call.groups}
                columns = [np.broadcast_to(length.of(kept), here.shape) for length in call.numbers]
                table = np.stack(columns, axis=1) if columns else np.zeros((len(here), 0), dtype=np.int64)
                if call.groups:
                    different, which = np.unique(table, axis=0, return_inverse=True)
                else:
                    different, which = table[:1], np.zeros(len(here), dtype=np.intp)
                found.append((here, call, different, which.reshape(-1)))
        return found

    def _by_variant(self, owner: str, rows: np.ndarray) -> list[tuple[Variant, np.ndarray]]:
        variants, depth = self.program.calls[owner], self._depth(owner)
        there = np.ones(rows.shape[1], dtype=bool) if depth is None else np.array([value != "skip" for value in depth[1]])[rows[depth[0]]]
        if len(variants) == 1:
            return [(NEUTRAL, np.flatnonzero(there))] if there.any() else []
        parts = []
        for dimension in RUNNING:
            control = self.controls.of(dimension, owner)
            parts.append([None] * rows.shape[1] if control is None else [control[1][index] for index in rows[control[0]]])
        chosen = list(zip(*parts, strict=True))
        return [
            (variant, here)
            for variant in dict.fromkeys(chosen)
            for here in [np.array([place for place, one in enumerate(chosen) if one == variant and there[place]], dtype=np.intp)]
            if len(here)
        ]

    def _channels(self, group: str, rows: np.ndarray) -> np.ndarray:
        decisions, counts = self._kept[group]
        return np.asarray(counts[tuple(rows[decision] for decision in decisions)])

    def features(self, owner: str, rows: np.ndarray, times: LayerTimes) -> np.ndarray:
        """Return the features (N, len(FEATURES)) that an owner adds to each of ``rows`` (decisions, N)."""
        total = np.zeros((rows.shape[1], len(FEATURES)))
        for here, call, different, which in self.calls(owner, rows):
            milliseconds = np.array([times.of(call.template, tuple(map(int, numbers)), call.kind) for numbers in different])
            total[here, FEATURES.index(call.kind)] += milliseconds[which]
            total[here, FEATURES.index("calls")] += 1
        return total


def tables_of(owners: Owners, times: LayerTimes) -> tuple[list[FeatureTable], list[str]]:
    """Return the features of all owners as tables, and the owners that have too many combinations for one."""
    found, large = [], []
    for owner in owners.names:
        if owners.combinations(owner) > LARGEST_TABLE:
            large.append(owner)
            continue
        decisions = owners.deciding(owner)
        shape = [owners.controls.sizes[decision] for decision in decisions]
        values = owners.features(owner, owners.everything(owner), times)
        found.append(FeatureTable(decisions, values.reshape(*shape, len(FEATURES))))
    return found, large


def merged(tables: Sequence[FeatureTable]) -> list[FeatureTable]:
    """Add every table into one that depends on at least as much, where there is one."""
    homes: dict[tuple[int, ...], list[FeatureTable]] = {}
    for table in sorted(tables, key=lambda one: -len(one.decisions)):
        home = next((place for place in homes if set(table.decisions) <= set(place)), table.decisions)
        homes.setdefault(home, []).append(table)
    return [reduce(FeatureTable.plus, group) for group in homes.values()]


def summed(tables: Sequence[FeatureTable], rows: np.ndarray) -> np.ndarray:
    """Return the sum of the tables (N, features) at value indices ``rows`` (decisions, N)."""
    return np.asarray(sum(table.at(rows) for table in tables))
