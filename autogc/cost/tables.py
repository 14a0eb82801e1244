"""The costs of a whole space as tables: one for each small set of decisions, so that a candidate's cost is a sum of look-ups.

A layer's cost depends on few decisions: those of its channel groups, its operator, its pruning and its format. All their
combinations are worked out once; a layer whose decisions are among another's is added into that one's table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from autogc.compression import DIMENSIONS
from autogc.cost.formula import Family, Term
from autogc.supernet.candidate import Value
from autogc.supernet.groups import ChannelGroup
from autogc.supernet.space import Space

CHANNEL_DIMENSIONS = ("width", "filter_pruning")
UNIT_DIMENSIONS = ("depth",)
LAYER_DIMENSIONS = ("operator", "element_pruning", "weight_bits", "codebook", "activation_bits")

Allowed = Sequence[Sequence[int]]  # for each decision, the value indices that are considered


@dataclass(frozen=True)
class Table:
    """``costs`` is int64, one axis a decision of ``decisions`` (ascending), then the costs of a family."""

    decisions: tuple[int, ...]
    costs: np.ndarray

    def add(self, other: Table) -> Table:
        """Return the sum with a table whose decisions are among this one's."""
        return Table(self.decisions, self.costs + other.aligned(self.decisions))

    def aligned(self, decisions: Sequence[int]) -> np.ndarray:
        """Return the costs with an axis of length 1 for every decision of ``decisions`` that this table does not depend on."""
        lengths = dict(zip(self.decisions, self.costs.shape[:-1], strict=True))
        return self.costs.reshape(*(lengths.get(decision, 1) for decision in decisions), self.costs.shape[-1])


class Controls:
    """Which decision says the value of each dimension at each target."""

    def __init__(self, space: Space) -> None:
        self.sizes = tuple(len(decision.values) for decision in space.decisions)
        self._values: dict[tuple[str, str], tuple[int, tuple[Value | None, ...]]] = {}
        for index, decision in enumerate(space.decisions):
            effects = [{(dimension, target): value for dimension, target, value in decision.effects(value)} for value in decision.values]
            for place in dict.fromkeys(place for effect in effects for place in effect):
                assert place not in self._values, f"two decisions set {place}"
                self._values[place] = (index, tuple(effect.get(place) for effect in effects))

    def of(self, dimension: str, target: str) -> tuple[int, tuple[Value | None, ...]] | None:
        """Return (decision, what each of its values sets, None where neutral), or None where nothing is decided."""
        return self._values.get((dimension, target))

    def places(self, decision: int) -> list[tuple[str, str]]:
        """Return the (dimension, target) pairs that a decision sets."""
        return [place for place, (index, _) in self._values.items() if index == decision]

    def at(self, term: Term, family: Family) -> dict[str, tuple[int, tuple[Value | None, ...]]]:
        """Return ``of`` for each dimension of a family that is decided at a term's layer, or at the unit that it is a part of."""
        places = {name: term.unit if name in UNIT_DIMENSIONS else term.layer for name in family.dimensions}
        return {name: found for name, target in places.items() if (found := self.of(name, target)) is not None}

    def deciding(self, term: Term, family: Family) -> tuple[int, ...]:
        """Return the decisions that a term's costs of a family depend on, ascending."""
        places = [(dimension, group) for group in term.groups for dimension in CHANNEL_DIMENSIONS]
        decided = {found[0] for place in places if (found := self.of(*place)) is not None}
        return tuple(sorted(decided.union(decision for decision, _ in self.at(term, family).values())))

    def kept(self, group: ChannelGroup, allowed: Allowed) -> tuple[tuple[int, ...], np.ndarray]:
        """Return the decisions of a group (in order of application) and its kept channels, int64, one axis a decision."""
        decisions: list[int] = []
        counts = np.array(group.size, dtype=np.int64)
        for dimension in CHANNEL_DIMENSIONS:
            found = self.of(dimension, group.name)
            if found is None:
                continue
            index, values = found
            decisions.append(index)
            chosen = [values[choice] for choice in allowed[index]]
            counts = np.stack([counts if value is None else _count(dimension, counts, value, group.multiple) for value in chosen], axis=-1)
        return tuple(decisions), counts


def _count(dimension: str, available: np.ndarray, value: Value, multiple: int) -> np.ndarray:
    counted: np.ndarray = DIMENSIONS[dimension].count(available, value, multiple)  # type: ignore[attr-defined]
    return counted


def build_table(term: Term, family: Family, controls: Controls, groups: Mapping[str, ChannelGroup], allowed: Allowed) -> Table:
    """Return the term's costs of a family for every combination of the allowed values of the decisions that they depend on."""
    decisions = controls.deciding(term, family)
    shape = tuple(len(allowed[decision]) for decision in decisions)
    kept = {}
    for name in term.groups:
        own, counts = controls.kept(groups[name], allowed)
        order = sorted(range(len(own)), key=lambda axis: own[axis])
        lengths = {decision: len(allowed[decision]) for decision in own}
        kept[name] = counts.transpose(order).reshape([lengths.get(decision, 1) for decision in decisions])
    costs = np.empty((*shape, len(family.costs)), dtype=np.int64)
    layer = controls.at(term, family)
    choosing = sorted({decision for decision, _ in layer.values()})
    for chosen in product(*(range(len(allowed[decision])) for decision in choosing)):
        position = dict(zip(choosing, chosen, strict=True))
        settled = {name: values[allowed[decision][position[decision]]] for name, (decision, values) in layer.items()}
        part = tuple(slice(position[d], position[d] + 1) if d in position else slice(None) for d in decisions)
        costs[part] = family.of(term, kept, {name: value for name, value in settled.items() if value is not None})
    return Table(decisions, costs)


def merged(tables: Iterable[Table]) -> list[Table]:
    """Add every table into one that depends on at least as much, where there is one."""
    found: list[Table] = []
    for table in sorted(tables, key=lambda one: -len(one.decisions)):
        home = next((place for place, other in enumerate(found) if set(table.decisions) <= set(other.decisions)), None)
        if home is None:
            found.append(table)
        else:
            found[home] = found[home].add(table)
    return found


def look_up(tables: Sequence[Table], rows: np.ndarray, costs: int) -> np.ndarray:
    """Return the summed costs, int64 (N, ``costs``), of value indices ``rows`` (decisions, N)."""
    total = np.zeros((rows.shape[1], costs), dtype=np.int64)
    for table in tables:
        lengths = table.costs.shape[:-1]
        place = np.zeros(rows.shape[1], dtype=np.intp)
        for axis, decision in enumerate(table.decisions):
            place += rows[decision] * prod(lengths[axis + 1 :])
        total += np.take(table.costs.reshape(-1, costs), place, axis=0)
    return total
