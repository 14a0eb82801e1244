"""Weight sharing: each weight becomes the nearest of K numbers, found by k-means (Deep Compression, Han et al., ICLR 2016, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autogc.compression.dimension import Encoded, FormatDimension
from autogc.compression.kmeans import assign, fit


class Codebook(FormatDimension):
    """Value: the number K of codebook entries, 2 to 65536, or ``none``. One codebook a weight tensor, for its kept weights.

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
        return Encoded(table=table, codes=assign(kept, table))

    def decode(self, encoded: Encoded, shape: Sequence[int], mask: Tensor | None, value: Any) -> Tensor:
        values = encoded.table.index_select(0, encoded.codes)
        if mask is None:
            return values.view(*shape)
        return torch.zeros(mask.shape, dtype=values.dtype, device=values.device).masked_scatter_(mask, values)

    def parts(self, numel: Any, out_channels: Any, kept: Any, value: Any) -> list[tuple[Any, Any]]:
        return [(value, 32), (kept, (value - 1).bit_length())]
