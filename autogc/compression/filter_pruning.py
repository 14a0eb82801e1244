"""Filter pruning: a share of a group's channels goes, the least important first (Li et al., ICLR 2017).

Unlike ``width`` it need not keep a prefix: which channels go is decided by the weights as they are, not by the order fixed before training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autogc.compression.dimension import ChannelDimension, check, ratio_problem, share


class FilterPruning(ChannelDimension):
    """Value: the share of channels removed, in [0, 1)."""

    name = "filter_pruning"
    slot = "filter_pruning"
    target = "group"
    neutral = 0.0

    def problem(self, value: object) -> str | None:
        return ratio_problem(value)

    def describe(self, value: Any) -> str:
        return "no filter pruned" if value == 0 else f"{100 * value:g} % of filters pruned"

    def count(self, available: Any, value: Any, multiple: int) -> Any:
        """Return available - floor(value * available), rounded up to a multiple of ``multiple``."""
        check(self, value)
        if value == 0:
            return available
        left = available - share(value, available)
        rounded = np.maximum(-(-left // multiple) * multiple, multiple)
        # What does not fill a multiple can't stay, where the group itself is no whole number of them.
        counted = np.minimum(rounded, np.maximum(available // multiple * multiple, multiple))
        return np.asarray(counted) if isinstance(available, np.ndarray) else int(counted)

    def choose(self, kept: Tensor, count: int, importance: Callable[[], Tensor]) -> Tensor:
        """Return the ``count`` most important of ``kept``; of equals the first."""
        assert count <= len(kept), f"{count} of {len(kept)} channels"
        if count == len(kept):
            return kept
        scores = importance().detach().to(kept.device)[kept]
        best = torch.sort(scores, descending=True, stable=True).indices[:count]
        return kept[best.sort().values]
