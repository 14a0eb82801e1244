"""Element pruning: the smallest weights of a tensor become zero (Han et al., NeurIPS 2015)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from autogc.compression.dimension import MaskDimension, check, ratio_problem, share


class ElementPruning(MaskDimension):
    """Value: the share of a weight tensor's elements set to zero, in [0, 1). Biases and normalisation are not touched."""

    name = "element_pruning"
    slot = "mask"
    target = "layer"
    neutral = 0.0

    def problem(self, value: object) -> str | None:
        return ratio_problem(value)

    def describe(self, value: Any) -> str:
        return "no weight pruned" if value == 0 else f"{100 * value:g} % of weights pruned"

    def kept_count(self, numel: Any, value: Any) -> Any:
        """Return numel - floor(value * numel); at least 1, where floating point would round the product up to all of them."""
        check(self, value)
        kept = np.maximum(numel - share(value, numel), 1)
        return np.asarray(kept) if isinstance(numel, np.ndarray) else int(kept)

    def mask(self, weight: Tensor, value: Any) -> Tensor:
        """Return True at the ``kept_count`` largest magnitudes; of equals the last ones in row-major order stay."""
        magnitudes = weight.detach().abs().flatten()
        removed = magnitudes.numel() - self.kept_count(magnitudes.numel(), value)
        if removed == 0:
            return torch.ones_like(weight, dtype=torch.bool)
        # Selecting the threshold is several times faster than sorting everything.
        threshold = magnitudes.kthvalue(removed).values
        below = magnitudes < threshold
        equal = magnitudes == threshold
        drop = below | (equal & (equal.cumsum(0) <= removed - below.sum()))
        return ~drop.view(weight.shape)
