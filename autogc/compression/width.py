"""Channel width: a subnet keeps the first channels of a group, as in once-for-all networks (Cai et al., ICLR 2020)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from autogc.compression.dimension import ChannelDimension, check
from autogc.errors import CandidateError


class Width(ChannelDimension):
    """Value: the number of channels kept, a positive int. Neutral is None, all of them; a group's full size does the same."""

    name = "width"
    slot = "width"
    target = "group"
    neutral = None

    def problem(self, value: object) -> str | None:
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
            return None
        return f"{value!r} is not a number of channels; a positive whole number works, such as 32"

    def describe(self, value: Any) -> str:
        return "all channels" if value is None else f"{value} channel{'s' if value != 1 else ''}"

    def count(self, available: Any, value: Any, multiple: int) -> Any:
        """Return the channels kept. Raises CandidateError for more than there are and for what ``multiple`` does not divide."""
        check(self, value)
        if value is None:
            return available
        least = int(np.min(available))
        if value > least:
            raise CandidateError(f"width: {value} channels of a group that has {least}; at most {least} work")
        if value % multiple and value != least:
            raise CandidateError(f"width: {value} channels in a group that shrinks by {multiple}; a multiple of {multiple} works")
        return np.full_like(available, value) if isinstance(available, np.ndarray) else value

    def choose(self, kept: Tensor, count: int, importance: Callable[[], Tensor]) -> Tensor:
        """Return the first ``count``: the supernet has put channels in order of importance."""
        assert count <= len(kept), f"{count} of {len(kept)} channels"
        return kept[:count]
