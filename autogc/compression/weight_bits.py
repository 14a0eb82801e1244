"""Uniform symmetric quantisation of weights with one scale an output channel (Krishnamoorthi, 2018, section 2.2).

With b bits, L = 2^(b-1) - 1 and s = max|w| / L over the kept weights of a channel, w becomes s * round(w / s), round half to even.
A channel is an index of axis 0: the output channel of a convolution or linear weight, the *input* channel of a transposed convolution's,
whose layout is (in, out, kh, kw).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autogc.compression.dimension import Encoded, FormatDimension


class WeightBits(FormatDimension):
    """Value: bits a weight, 2 to 16, or 32 for float32 as it is."""

    name = "weight_bits"
    slot = "weight_format"
    target = "layer"
    neutral = 32

    def problem(self, value: object) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and (2 <= value <= 16 or value == 32):
            return None
        return f"{value!r} is not a number of bits for weights; 2 to 16, or 32 (not quantised), work"

    def describe(self, value: Any) -> str:
        return f"{value} bit"

    def encode(self, weight: Tensor, mask: Tensor | None, value: Any) -> Encoded:
        level = 2 ** (value - 1) - 1
        rows = (weight if mask is None else torch.where(mask, weight, 0.0)).flatten(1) if weight.ndim > 1 else weight[:, None]
        scale = rows.abs().amax(dim=1) / level
        # Scales below the smallest normal number have too few digits for code * scale to give back its code: such a channel is zero.
        scale = torch.where(scale < torch.finfo(torch.float32).tiny, 0.0, scale)
        divisor = torch.where(scale == 0, 1.0, scale)[:, None]
        codes = (rows / divisor).round_().clamp_(-level, level).add_(level).to(torch.int32).view(weight.shape)
        return Encoded(table=scale, codes=codes.flatten() if mask is None else codes[mask])

    def decode(self, encoded: Encoded, shape: Sequence[int], mask: Tensor | None, value: Any) -> Tensor:
        level = 2 ** (value - 1) - 1
        codes = encoded.codes
        if mask is not None:
            codes = torch.full(mask.shape, level, dtype=codes.dtype, device=codes.device).masked_scatter_(mask, codes)
        signed = codes.view(shape[0], -1) - level
        return (signed * encoded.table[:, None]).view(*shape)

    def parts(self, numel: Any, out_channels: Any, kept: Any, value: Any) -> list[tuple[Any, Any]]:
        return [(out_channels, 32), (kept, value)]
