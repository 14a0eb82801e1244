"""Cut the parameters of a narrower subnet out of a module's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from autogc.errors import CandidateError, nearest
from autogc.supernet.attributes import attributes_following
from autogc.supernet.groups import Discovery

__all__ = ["Slicer", "attributes_following", "slice_tensors"]


@dataclass(frozen=True)
class _Plan:
    """How an axis follows its groups: indices (channels, repeat) for each group, and those that always stay."""

    fixed: Tensor
    groups: tuple[tuple[str, Tensor], ...]

    def index(self, kept: Mapping[str, Tensor]) -> Tensor:
        """Return the indices that are kept, ascending."""
        parts = [
            self.fixed,
            *[positions[kept[group]].flatten() if group in kept else positions.flatten() for group, positions in self.groups],
        ]
        return torch.cat(parts).sort().values


class Slicer:
    """Slices tensors by kept channels, with all positions worked out once (the sizes are those of the first tensors it is given)."""

    def __init__(self, discovery: Discovery) -> None:
        self.sizes = {group.name: group.size for group in discovery.groups}
        self._members: dict[str, dict[int, list[tuple[str, Tensor]]]] = {}
        tables: dict[Any, Tensor] = {}
        for group in discovery.groups:
            for member in group.members:
                key = (group.name, member.positions)
                if key not in tables:
                    tables[key] = torch.tensor(member.positions, dtype=torch.int64)
                self._members.setdefault(member.tensor, {}).setdefault(member.axis, []).append((group.name, tables[key]))
        self._plans: list[_Plan] = []
        self._places: dict[Any, int] = {}
        self._axes: dict[str, list[tuple[int, int]]] = {}

    def slice(self, tensors: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return every tensor, sliced where it has channels of a group in ``kept``; differentiable.

        ``kept`` maps groups to ascending int64 channels; what it doesn't name stays whole. Contiguous runs are views.
        Raises CandidateError on a group that isn't there, and on channels outside it, none, or not ascending.
        """
        kept = self._checked(kept)
        runs: dict[int, Tensor | tuple[int, int] | None] = {}
        result = {}
        for name, tensor in tensors.items():
            for axis, place in self._axes_of(name, tensor):
                if place not in runs:
                    runs[place] = _run(self._plans[place], kept)
                run = runs[place]
                if isinstance(run, Tensor):
                    tensor = tensor.index_select(axis, run.to(tensor.device))
                elif run is not None:
                    tensor = tensor.narrow(axis, *run)
            result[name] = tensor
        return result

    def _axes_of(self, name: str, tensor: Tensor) -> list[tuple[int, int]]:
        """Return (axis, place of its plan) for each axis of a tensor that follows a group."""
        if name not in self._axes:
            self._axes[name] = []
            for axis, groups in self._members.get(name, {}).items():
                key = (tensor.shape[axis], *[(group, id(table)) for group, table in groups])
                if key not in self._places:
                    self._places[key] = len(self._plans)
                    self._plans.append(_plan(tensor.shape[axis], groups))
                self._axes[name].append((axis, self._places[key]))
        return self._axes[name]

    def _checked(self, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        result = {}
        for group, channels in kept.items():
            if group not in self.sizes:
                raise CandidateError(f"no channel group named {group!r}: {nearest(group, self.sizes)}")
            channels = channels.cpu()
            size = self.sizes[group]
            if channels.numel() == 0 or channels[0] < 0 or channels[-1] >= size or bool((channels.diff() <= 0).any()):
                raise CandidateError(
                    f"channels kept of group {group!r} must be 1 to {size} ascending numbers below {size}, got {channels.tolist()}"
                )
            if len(channels) < size:
                result[group] = channels
        return result


def slice_tensors(tensors: Mapping[str, Tensor], discovery: Discovery, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Slice once; make a ``Slicer`` to slice often."""
    return Slicer(discovery).slice(tensors, kept)


def _plan(size: int, groups: list[tuple[str, Tensor]]) -> _Plan:
    fixed = torch.ones(size, dtype=torch.bool)
    for _, table in groups:
        fixed[table.flatten()] = False
    return _Plan(fixed.nonzero().flatten(), tuple(groups))


def _run(plan: _Plan, kept: Mapping[str, Tensor]) -> Tensor | tuple[int, int] | None:
    """Return None for all indices, (start, length) for a contiguous run, otherwise the indices themselves."""
    if not any(group in kept for group, _ in plan.groups):
        return None
    index = plan.index(kept)
    start, stop = int(index[0]), int(index[-1]) + 1
    return (start, len(index)) if stop - start == len(index) else index
