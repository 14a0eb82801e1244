"""The least that a cost can be over a space, and decisions that reach it, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from autogc.cost.tables import CHANNEL_DIMENSIONS, Controls
from autogc.supernet.groups import ChannelGroup


def fewest_channels(controls: Controls, groups: Sequence[ChannelGroup]) -> list[list[int]]:
    """Return, for each decision, the values that a least cost can have.

    With everything else fixed no cost grows when a tensor loses channels, so of a decision over channels only the value that keeps the
    fewest in every group that it speaks for, whatever is chosen beside it, needs looking at. Where no value is the least for
    all groups (or the decision is about something else), all its values stay.
    """
    full = [list(range(size)) for size in controls.sizes]
    allowed = [list(values) for values in full]
    for decision, size in enumerate(controls.sizes):
        ranks = []
        for group in groups:
            deciding, kept = controls.kept(group, full)
            if decision in deciding:
                ranks.append(np.moveaxis(kept, deciding.index(decision), 0).reshape(size, -1))
        others = any(place[0] not in CHANNEL_DIMENSIONS for place in controls.places(decision))
        if not ranks or others:
            continue
        table = np.concatenate(ranks, axis=1)
        least = np.flatnonzero((table <= table.min(axis=0)).all(axis=1))
        if len(least):
            allowed[decision] = [int(least[0])]
    return allowed


def minimize(
    factors: Sequence[tuple[tuple[int, ...], np.ndarray]], sizes: Sequence[int], *, combine: np.ufunc = np.add
) -> tuple[int, list[int]]:
    """Return the least sum of the factors and the index chosen for each variable, by eliminating one variable after another.

    A factor is (variables, int64 array of nothing below zero, with an axis for each of them). With ``combine`` np.maximum it is the least
    that the largest factor can be, for the same reason. The variable whose elimination makes the smallest
    table goes first (Dechter, Bucket elimination, Artificial Intelligence 113, 1999).
    """
    left = list(factors)
    remaining = set(range(len(sizes)))
    traces: list[tuple[int, tuple[int, ...], np.ndarray]] = []
    while remaining:
        scopes = {v: tuple(sorted({u for scope, _ in left if v in scope for u in scope} - {v})) for v in remaining}
        variable = min(remaining, key=lambda v: (prod(sizes[u] for u in scopes[v]) * sizes[v], v))
        scope = (*scopes[variable], variable)
        total = np.zeros([sizes[u] for u in scope], dtype=np.int64)
        for factor in (one for one in left if variable in one[0]):
            total = combine(total, _aligned(factor, scope))
        left = [factor for factor in left if variable not in factor[0]]
        left.append((scope[:-1], total.min(axis=-1)))
        traces.append((variable, scope[:-1], total.argmin(axis=-1)))
        remaining.remove(variable)
    chosen = [0] * len(sizes)
    for variable, scope, best in reversed(traces):
        chosen[variable] = int(best[tuple(chosen[u] for u in scope)])
    return int(combine.reduce([int(values) for _, values in left], initial=0)), chosen


def _aligned(factor: tuple[tuple[int, ...], np.ndarray], scope: Sequence[int]) -> np.ndarray:
    variables, values = factor
    order = sorted(range(len(variables)), key=lambda axis: scope.index(variables[axis]))
    lengths = dict(zip(variables, values.shape, strict=True))
    return values.transpose(order).reshape([lengths.get(variable, 1) for variable in scope])
