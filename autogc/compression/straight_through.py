"""The straight-through estimator (Bengio et al., 2013): compress on the way forward, pass the gradient on unchanged."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(original: Tensor, replacement: Tensor) -> Tensor:
        return replacement

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def straight_through(original: Tensor, replacement: Tensor) -> Tensor:
    """Return the values of ``replacement``, to the bit, with the gradient going to ``original`` as if it were the identity.

    ``original + (replacement - original).detach()`` would have the same gradient, but not the same values: the sum rounds.
    """
    assert not replacement.requires_grad and replacement.shape == original.shape
    if not (torch.is_grad_enabled() and original.requires_grad):
        return replacement
    return _StraightThrough.apply(original, replacement)
