"""Where an acquisition function is highest over the feasible candidates that were not evaluated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autogc.search.encoding import Row
from autogc.search.feasibility import FeasibleRegion

POOL = 2048  # candidates of each generation
BATCHES = 16  # times POOL draws from which a pool is taken, where few are feasible
PARENTS = 64
GENERATIONS = 3
CLIMBERS, CLIMB = 4, 12
MUTATIONS = 1.0  # beyond the first, the mean number of decisions that are drawn anew


def best_feasible(
    value: Callable[[np.ndarray], np.ndarray],
    *,
    region: FeasibleRegion,
    starts: np.ndarray,
    seen: Callable[[Row], bool],
    generator: np.random.Generator,
) -> Row | None:
    """Return the feasible row, not ``seen``, where ``value`` (of rows (N, decisions), (N,)) is highest of all that were looked at.

    A space that is small enough is looked through. In others: uniform draws and offspring of ``starts`` (N, decisions), then generations of
    offspring of the best, then all neighbours of the very best until none is better. None where every row that was looked at is seen.
    """
    whole = region.everything()
    if whole is not None and len(whole) <= 4 * POOL:
        return _first_unseen(whole, value(whole), seen)
    starts = region.feasible(starts)
    pool = np.concatenate([feasible_draws(region, POOL // 2), starts, region.feasible(offspring(starts, POOL, region, generator))])
    rows, values = np.empty((0, pool.shape[1]), dtype=np.int64), np.empty(0)
    for generation in range(GENERATIONS):
        if generation:
            pool = region.feasible(offspring(rows[:PARENTS], POOL, region, generator))
        rows, values = _ranked(np.concatenate([rows, pool]), np.concatenate([values, value(pool)]), PARENTS * 4)
    for _ in range(CLIMB):
        steps = np.concatenate([region.encoding.neighbours(row) for row in rows[:CLIMBERS]])
        steps = region.feasible(steps)
        higher = float(values[0])
        rows, values = _ranked(np.concatenate([rows, steps]), np.concatenate([values, value(steps)]), PARENTS * 4)
        if values[0] <= higher:
            break
    return _first_unseen(rows, values, seen)


def offspring(parents: np.ndarray, count: int, region: FeasibleRegion, generator: np.random.Generator) -> np.ndarray:
    """Return ``count`` rows: half of them mixed from two parents (N, decisions), all with one decision or some drawn anew."""
    if not len(parents):
        return parents
    sizes = region.encoding.sizes
    one, other = (parents[generator.integers(0, len(parents), size=count)] for _ in range(2))
    mixed = generator.random((count, 1)) < 0.5
    rows = np.where(mixed & (generator.random(one.shape) < 0.5), other, one)
    changes = 1 + generator.poisson(MUTATIONS, size=(count, 1))
    order = generator.random(rows.shape).argsort(axis=1)
    return np.where(order < changes, generator.integers(0, sizes, size=rows.shape), rows)


def feasible_draws(region: FeasibleRegion, count: int) -> np.ndarray:
    """Return at most ``count`` feasible rows, at least one: uniform draws where enough of them are feasible, repaired ones where not."""
    assert region.anchor is not None
    found = [region.anchor[None]]
    for _ in range(BATCHES):
        found.append(region.feasible(region.draw(count)))
        if sum(map(len, found)) >= count:
            break
    while sum(map(len, found)) < count // 8:
        # Too rare to be drawn: walk there from where draws fall.
        repaired = [row for draw in region.draw(64) if (row := region.repaired(draw)) is not None]
        if not repaired:
            break
        found.append(np.array(repaired))
    return np.concatenate(found)[:count]


def _ranked(rows: np.ndarray, values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    rows, first = np.unique(rows, axis=0, return_index=True)
    values = values[first]
    order = np.argsort(-values, kind="stable")[:most]
    return rows[order], values[order]


def _first_unseen(rows: np.ndarray, values: np.ndarray, seen: Callable[[Row], bool]) -> Row | None:
    order = np.argsort(-values, kind="stable")
    return next((rows[index] for index in order if not seen(rows[index])), None)
