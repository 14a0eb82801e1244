"""Which channels matter most: scores for the classes of a channel group."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from autogc.errors import ConfigError, nearest
from autogc.supernet.groups import ChannelGroup, Discovery


def l1(weight: Tensor) -> Tensor:
    """Sum of absolute weights of each slice along axis 0 (Li et al., Pruning Filters, ICLR 2017)."""
    return weight.abs().flatten(1).sum(1)


def l2(weight: Tensor) -> Tensor:
    """Euclidean norm of each slice along axis 0."""
    return weight.flatten(1).norm(dim=1)


def position(weight: Tensor) -> Tensor:
    """Earlier channels first: leaves the generator's own order as it is."""
    return torch.arange(weight.shape[0], 0, -1, dtype=weight.dtype, device=weight.device)


CRITERIA: dict[str, Callable[[Tensor], Tensor]] = {"l1": l1, "l2": l2, "position": position}


def criterion(name: str) -> Callable[[Tensor], Tensor]:
    """Return the criterion of that name."""
    if name not in CRITERIA:
        raise ConfigError(f"no importance criterion named {name!r}: {nearest(name, CRITERIA)}")
    return CRITERIA[name]


def class_importance(
    group: ChannelGroup, discovery: Discovery, tensors: Mapping[str, Tensor], *, score: Callable[[Tensor], Tensor] = l1
) -> Tensor:
    """Return the importance of each channel class of a group, shape ``(group.size,)``: its producers' scores, added up."""
    output_axes = {use.tensor: 1 - use.contracted for use in discovery.uses if use.layer in group.producers}
    reference = next(iter(tensors.values()))
    total = torch.zeros(group.size, dtype=torch.float64, device=reference.device)
    for member in group.members:
        if output_axes.get(member.tensor) != member.axis:
            continue
        weight = tensors[member.tensor].detach().double()
        scores = score(weight.movedim(member.axis, 0))
        total += scores[torch.tensor(member.positions, device=scores.device)].sum(1)
    return total
