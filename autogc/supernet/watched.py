"""The channel axis of a watched module's output: which of its channels a subnet has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class WatchedAxis:
    """Positions on a channel axis, each of them fixed or a channel class of a group."""

    def __init__(self, channels: Sequence[tuple[str, int] | None]) -> None:
        self.size = len(channels)
        self._fixed = torch.tensor([channel is None for channel in channels], dtype=torch.bool)
        self._of_group: dict[str, tuple[Tensor, Tensor]] = {}
        for name in dict.fromkeys(channel[0] for channel in channels if channel is not None):
            positions = [p for p, channel in enumerate(channels) if channel is not None and channel[0] == name]
            classes = [channel[1] for channel in channels if channel is not None and channel[0] == name]
            self._of_group[name] = (torch.tensor(positions), torch.tensor(classes))

    def index(self, kept: Mapping[str, Tensor]) -> Tensor:
        """Return the positions that remain when each group keeps the classes ``kept[group]``, ascending int64 on the CPU."""
        remains = self._fixed.clone()
        for name, (positions, classes) in self._of_group.items():
            remains[positions] = torch.isin(classes, kept[name].cpu())
        return remains.nonzero().flatten()
