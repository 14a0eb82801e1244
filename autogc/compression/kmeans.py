"""k-means in one dimension: the K numbers with the least squared error to a tensor's values.

In one dimension a cluster is an interval of the sorted values, so after one sort an iteration costs K binary searches and K differences
of prefix sums, whatever the number of values. Lloyd's iterations alone stay in the first local optimum, which is poor where values have
gaps or outliers: between them, the centroids that are missed least are moved to the intervals that gain most by being split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# Rounds of moving centroids, each followed by a few of Lloyd's iterations; it ends early when no move pays.
MOVING_ROUNDS = 24
ITERATIONS_A_ROUND = 2
LAST_ITERATIONS = 10
# Quantiles for each centroid, from which the density of the values is estimated.
QUANTILES_PER_CENTROID = 4
# Cells of the table by which values are assigned, and comparisons a value beyond which a binary search is as fast.
TABLE_CELLS = 2**14
MOST_COMPARISONS = 8


def fit(values: Tensor, entries: int) -> Tensor:
    """Return ``entries`` float32 numbers, ascending, for ``values`` (float32, one axis, at least one of them).

    Exactly the distinct values where there are no more than ``entries`` (the last one repeated to fill up), so that fitting twice
    changes nothing. Otherwise a local optimum of the squared error. Deterministic, on CUDA too.
    """
    ordered = _sort(values)
    first = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=first[1:])
    if int(first.sum()) <= entries:
        distinct = ordered[first]
        return torch.cat([distinct, distinct[-1:].expand(entries - len(distinct))])
    intervals = _Intervals.of(ordered)
    centroids = _initial(ordered, entries)
    for _ in range(MOVING_ROUNDS):
        moved = intervals.move(centroids)
        if moved is None:
            break
        centroids = intervals.lloyd(moved, ITERATIONS_A_ROUND)
    return intervals.lloyd(centroids, LAST_ITERATIONS).float() + 0.0


def boundaries(centroids: Tensor) -> Tensor:
    """Return the midpoints of neighbours as float32, rounded down.

    A float32 is at most the midpoint exactly when it is at most the boundary, so neighbouring floats are told apart too.
    """
    exact = (centroids[1:].double() + centroids[:-1].double()) / 2
    rounded = exact.float()
    below = torch.nextafter(rounded, torch.full_like(rounded, -torch.inf))
    return torch.where(rounded.double() > exact, below, rounded)


def assign(values: Tensor, centroids: Tensor) -> Tensor:
    """Return the index of the nearest of ``centroids`` (float32, ascending) for each of ``values`` (float32), int32; of two the lower."""
    limits = boundaries(centroids)
    if values.device.type != "cpu" or len(values) < TABLE_CELLS:
        return torch.bucketize(values, limits, out_int32=True)
    # On a CPU a table over equal cells is many times faster than a binary search for each value. Cells never decrease with the value,
    # so boundaries in lower cells are passed, those in higher cells are not, and only those in the same cell are left to compare.
    low, high = values.aminmax()

    def cell(x: Tensor) -> Tensor:
        return ((x - low) * (TABLE_CELLS / (high - low))).to(torch.int32).clamp_(0, TABLE_CELLS - 1)

    in_cell = torch.bincount(cell(limits), minlength=TABLE_CELLS)
    comparisons = int(in_cell.max())
    if comparisons > MOST_COMPARISONS:
        return torch.bucketize(values, limits, out_int32=True)
    codes = (in_cell.cumsum(0) - in_cell).to(torch.int32).index_select(0, cell(values))
    limits = torch.cat([limits, limits.new_full((1,), torch.inf)])
    for _ in range(comparisons):
        codes += values > limits.index_select(0, codes)
    return codes


@dataclass(frozen=True)
class _Intervals:
    """Sizes and means of intervals of the sorted values. ``sums[i]`` is the sum of the first i values in units of ``unit``.

    The sums are integers: exact in any order of adding, which those of floats on a GPU are not.
    """

    ordered: Tensor
    sums: Tensor
    unit: Tensor

    @classmethod
    def of(cls, ordered: Tensor) -> _Intervals:
        unit = ordered[[0, -1]].abs().max().double() / 2.0 ** (62 - len(ordered).bit_length())
        steps = (ordered.double() / unit).round_().long()
        return cls(ordered, torch.cat([steps.new_zeros(1), steps.cumsum(0)]), unit)

    def edges(self, centroids: Tensor) -> Tensor:
        """Return where the values of each centroid begin, and the end."""
        # On the way plain midpoints do; only the final assignment has to be exact.
        inner = torch.searchsorted(self.ordered, ((centroids[1:] + centroids[:-1]) / 2).float(), right=True)
        return torch.cat([inner.new_zeros(1), inner, inner.new_full((1,), len(self.ordered))])

    def mean(self, begin: Tensor, end: Tensor) -> Tensor:
        """Return the means of the intervals; of an empty one anything finite."""
        return (self.sums[end] - self.sums[begin]).double() / (end - begin).clamp(min=1) * self.unit

    def lloyd(self, centroids: Tensor, iterations: int) -> Tensor:
        """Move each centroid to the mean of the values that are nearest to it; one with no values stays."""
        for _ in range(iterations):
            edges = self.edges(centroids)
            begin, end = edges[:-1], edges[1:]
            centroids = torch.where(end > begin, self.mean(begin, end), centroids)
        return centroids

    def move(self, centroids: Tensor) -> Tensor | None:
        """Split the intervals that gain most by it, with the centroids that are missed least; None where that does not lower the error.

        Those are the centroids of empty intervals, or, where there is none, one of each pair of neighbours that costs least to merge.
        Merging n and m values with means a and b raises the squared error by n m / (n + m) (a - b)^2; splitting gains the same.
        """
        edges = self.edges(centroids)
        begin, end = edges[:-1], edges[1:]
        size = end - begin
        mean = torch.where(size > 0, self.mean(begin, end), centroids)
        middle = torch.searchsorted(self.ordered, mean.float(), right=True).clamp(min=begin, max=end)
        left, right = self.mean(begin, middle), self.mean(middle, end)
        gain = _merging_cost(middle - begin, end - middle, left - right)
        after_merging = mean
        price = torch.where(size == 0, 0.0, torch.inf)
        if not bool((size == 0).any()):
            price[1:] = _cheapest_pairs(_merging_cost(size[:-1], size[1:], mean.diff()), gain)
            merged = price.isfinite()
            after_merging = torch.cat([self.mean(begin[:-1], end[1:]), mean[-1:]])
            gain = gain.masked_fill(merged | torch.cat([merged[1:], merged[:1]]), 0.0)
        cheapest, free = price.sort(stable=True)
        best, split = gain.sort(descending=True, stable=True)
        moves = int((best > cheapest).sum())
        if moves == 0:
            return None
        free, split = free[:moves], split[:moves]
        moved = mean.clone()
        if after_merging is not mean:
            moved[free - 1] = after_merging[free - 1]
        moved[free] = right[split]
        moved[split] = left[split]
        return moved.sort().values


def _cheapest_pairs(cost: Tensor, gain: Tensor) -> Tensor:
    """Return the costs of merging neighbours where that is cheaper than on either side, infinity elsewhere: no interval is in two pairs.

    Of pairs that cost the same every other one counts. An interval that gains more by being split than its pair costs is not merged.
    """
    cost = torch.where(torch.maximum(gain[:-1], gain[1:]) > cost, torch.inf, cost)
    padded = torch.cat([cost.new_full((1,), torch.inf), cost, cost.new_full((1,), torch.inf)])
    beside = torch.minimum(padded[:-2], padded[2:])
    even = torch.arange(len(cost), device=cost.device) % 2 == 0
    return torch.where((cost < beside) | (even & (cost == beside)), cost, torch.inf)


def _merging_cost(n: Tensor, m: Tensor, difference: Tensor) -> Tensor:
    return n * m / (n + m).clamp(min=1) * difference**2


def _sort(values: Tensor) -> Tensor:
    """Return the values ascending. On a CPU numpy sorts float32 some three times faster than torch."""
    if values.device.type == "cpu":
        return torch.from_numpy(np.sort(values.detach().numpy()))
    return values.sort().values


def _initial(ordered: Tensor, entries: int) -> Tensor:
    """Return where k-means starts: float64, ascending.

    Quantiles of the cube root of the density, the optimal spacing for many entries (Panter and Dite, 1951): plain quantiles
    would leave the tails, where the large weights are, almost without entries. A cell between neighbouring quantiles of width h has
    density 1 / h, so a share of h^(2/3).
    """
    cells = min(len(ordered) - 1, QUANTILES_PER_CENTROID * entries)
    positions = torch.linspace(0, len(ordered) - 1, cells + 1, dtype=torch.float64).round().long()
    quantiles = ordered[positions.to(ordered.device)].double().cpu().numpy()
    mass = np.concatenate([[0.0], np.cumsum(np.diff(quantiles) ** (2 / 3))])
    targets = (np.arange(entries) + 0.5) / entries * mass[-1]
    return torch.from_numpy(np.interp(targets, mass, quantiles)).to(ordered.device)
