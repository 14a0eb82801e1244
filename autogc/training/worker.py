"""One of the processes that train together, as stages see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Worker:
    """``rank`` of ``workers`` processes, computing on ``device``. Rank 0 writes what is written."""

    rank: int
    workers: int
    device: torch.device

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def mean(self, figures: Mapping[str, Tensor]) -> dict[str, float]:
        """Return each scalar's mean over the workers, in one transfer from the device. Collective."""
        values = torch.stack([figure.detach().float() for figure in figures.values()])
        if self.workers > 1:
            dist.all_reduce(values)
            values /= self.workers
        return dict(zip(figures, values.tolist(), strict=True))

    def agree(self, value: int) -> int:
        """Return rank 0's ``value`` on every worker. Collective."""
        if self.workers == 1:
            return value
        shared = torch.tensor(value, device=self.device)
        dist.broadcast(shared, src=0)
        return int(shared)


def resolve_device(name: str) -> torch.device:
    """Return the device that an experiment's ``device`` means here: ``auto`` is CUDA where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)
