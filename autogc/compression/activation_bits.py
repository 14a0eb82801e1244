"""Dynamic affine quantisation of activations (Krishnamoorthi, 2018, section 2.1)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autogc.compression.dimension import ActivationDimension, check
from autogc.compression.straight_through import straight_through


class ActivationBits(ActivationDimension):
    """Value: bits an activation, 2 to 16, or 32 for none of it. Costs no storage."""

    name = "activation_bits"
    slot = "activation_format"
    target = "layer"
    neutral = 32

    def problem(self, value: object) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and (2 <= value <= 16 or value == 32):
            return None
        return f"{value!r} is not a number of bits for activations; 2 to 16, or 32 (not quantised), work"

    def describe(self, value: Any) -> str:
        return f"{value} bit activations"

    def apply(self, x: Tensor, value: Any) -> Tensor:
        """Return ``x`` (N, ...) on a grid of 2^value levels over each sample's own range, widened to include zero; zero stays zero.

        A sample's result does not depend on the others in its batch. The gradient is the identity. Computed in float32.
        """
        check(self, value)
        if value == self.neutral:
            return x
        with torch.no_grad():
            single = x.detach().float()
            axes = tuple(range(1, x.ndim))
            low = (single.amin(dim=axes, keepdim=True) if axes else single).clamp(max=0)
            high = (single.amax(dim=axes, keepdim=True) if axes else single).clamp(min=0)
            scale = (high - low) / (2**value - 1)
            # An all-zero sample has no range; any scale keeps its zeros.
            scale = torch.where(scale < torch.finfo(torch.float32).tiny, 1.0, scale)
            # Rounding to whole steps of the grid on both sides of zero, whose two ends are whole steps too.
            lowest = (low / scale).round()
            codes = (single / scale).round_().clamp_(min=lowest, max=lowest + (2**value - 1))
            quantised = (codes * scale).to(x.dtype)
        return straight_through(x, quantised)
