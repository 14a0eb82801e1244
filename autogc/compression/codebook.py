"""Weight sharing: each weight becomes the nearest of K numbers (Deep Compression, Han et al., ICLR 2016, section 3).

The K numbers minimise the squared error: one-dimensional k-means over the kept weights of a tensor. In one dimension a cluster is
an interval of the sorted weights, so after one sort an iteration of Lloyd's algorithm costs K binary searches and K differences of
prefix sums, whatever the number of weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autogc.compression.dimension import Encoded, FormatDimension

LLOYD_ITERATIONS = 40
# Quantile cells for each codebook entry, from which the density of the weights is estimated.
CELLS_PER_ENTRY = 4


class Codebook(FormatDimension):
    """Value: the number K of codebook entries, 2 to 65536, or ``none``.

    A weight is stored as ceil(log2 K) bits, the codebook as K float32, also where the weights have fewer distinct values.
    """

    name = "codebook"
    slot = "weight_format"
    target = "layer"
    neutral = "none"

    def problem(self, value: object) -> str | None:
        if value == self.neutral or (isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= 65536):
            return None
        return f"{value!r} is not a codebook size; a whole number from 2 to 65536, or 'none', works"

    def describe(self, value: Any) -> str:
        return "no codebook" if value == self.neutral else f"codebook {value}"

    def encode(self, weight: Tensor, mask: Tensor | None, value: Any) -> Encoded:
        # Adding zero turns -0.0 into 0.0: one entry, and the same bits whichever of the two a weight was.
        kept = (weight.flatten() if mask is None else weight[mask]) + 0.0
        table = fit(kept, value)
        return Encoded(table=table, codes=torch.bucketize(kept, _boundaries(table), out_int32=True))

    def decode(self, encoded: Encoded, shape: Sequence[int], mask: Tensor | None, value: Any) -> Tensor:
        values = encoded.table.index_select(0, encoded.codes)
        if mask is None:
            return values.view(*shape)
        return torch.zeros(mask.shape, dtype=values.dtype, device=values.device).masked_scatter_(mask, values)

    def parts(self, numel: Any, out_channels: Any, kept: Any, value: Any) -> list[tuple[Any, Any]]:
        return [(value, 32), (kept, (value - 1).bit_length())]


def fit(values: Tensor, entries: int) -> Tensor:
    """Return ``entries`` float32 numbers, ascending, for ``values`` (float32, one axis, at least one of them).

    Exactly the distinct values where there are no more than ``entries`` (the last one repeated to fill up), so that fitting twice
    changes nothing. Otherwise a local optimum of the squared error. Deterministic, and equal on CPU and CUDA.
    """
    ordered = _sort(values)
    first = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=first[1:])
    if int(first.sum()) <= entries:
        distinct = ordered[first]
        return torch.cat([distinct, distinct[-1:].expand(entries - len(distinct))])

    # Prefix sums of integers are exact in any order of adding, which those of floats on a GPU are not.
    bound = ordered[[0, -1]].abs().max().double()
    unit = bound / 2.0 ** (62 - len(ordered).bit_length())
    steps = (ordered.double() / unit).round_().long()
    sums = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
    ends = torch.tensor([0, len(ordered)], device=ordered.device)
    centroids = _initial(ordered, entries)
    for _ in range(LLOYD_ITERATIONS):
        inner = torch.searchsorted(ordered, _boundaries(centroids), right=True)
        edges = torch.cat([ends[:1], inner, ends[1:]])
        size = edges.diff()
        means = sums[edges].diff().double() / size.clamp(min=1) * unit
        centroids = torch.where(size > 0, means, centroids)
    return centroids.float() + 0.0


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
    cells = min(len(ordered) - 1, CELLS_PER_ENTRY * entries)
    positions = torch.linspace(0, len(ordered) - 1, cells + 1, dtype=torch.float64).round().long()
    quantiles = ordered[positions.to(ordered.device)].double().cpu().numpy()
    mass = np.concatenate([[0.0], np.cumsum(np.diff(quantiles) ** (2 / 3))])
    targets = (np.arange(entries) + 0.5) / entries * mass[-1]
    return torch.from_numpy(np.interp(targets, mass, quantiles)).to(ordered.device)


def _boundaries(centroids: Tensor) -> Tensor:
    """Return the midpoints of neighbours as float32, rounded down.

    A float32 is at most the midpoint exactly when it is at most the boundary, so neighbouring floats are told apart too.
    """
    exact = (centroids[1:].double() + centroids[:-1].double()) / 2
    rounded = exact.float()
    below = torch.nextafter(rounded, torch.full_like(rounded, -torch.inf))
    return torch.where(rounded.double() > exact, below, rounded)
