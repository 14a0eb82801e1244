"""What a narrower subnet must compute, worked out without slicing anything.

The full-width network with the removed channels cut out of every consumer (their contraction positions set to zero)
computes what the subnet does, whatever the removed channels hold. So their producers are overwritten:

* ``random``: with random numbers; the strictest, for channels that meet others in convolutions and linear layers only.
* ``copies``: with copies of kept channels, equally many of each; averages over channels (LayerNorm, GroupNorm, PixelNorm)
  are then those of the subnet.
* ``silent``: with zeros; products of two activations (attention) then have the subnet's values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Generator, Tensor

from autogc.supernet.groups import ChannelGroup, Discovery

Kind = Literal["random", "copies", "silent"]


def draw_state(tensors: Mapping[str, Tensor], discovery: Discovery, *, gain: float, generator: Generator) -> dict[str, Tensor]:
    """Return a state in which every channel matters: weights of variance ``gain**2 / fan_in``, all else moved a little upwards.

    A generator as it was initialised may have zero biases, closed gates or outputs that vanish, which would prove nothing.
    """
    weights = {use.tensor: use for use in discovery.uses}
    drawn = {}
    for name, value in tensors.items():
        if not value.is_floating_point():
            drawn[name] = value
        elif name in weights:
            kept = 1 - weights[name].contracted if value.ndim > 1 else 0
            fan_in = max(1, value.numel() // value.shape[kept])
            drawn[name] = _normal(value, generator) * (gain / math.sqrt(fan_in))
        else:
            drawn[name] = value * (1 + 0.1 * _normal(value, generator)) + 0.1 * _normal(value, generator).abs()
    return drawn


def choose_kept(group: ChannelGroup, kind: Kind, *, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return the channels kept, ascending, and for each channel of the group the kept one that it copies (itself if kept)."""
    order = torch.randperm(group.size, generator=generator)
    if kind == "copies":
        count = group.size // _smallest_factor(group.size)
    else:
        low = max(1, group.size // 4)
        count = int(torch.randint(low, max(low + 1, 3 * group.size // 4 + 1), (), generator=generator))
        count = min(count, group.size - 1)
    kept = order[:count]
    source = torch.empty(group.size, dtype=torch.int64)
    source[order] = kept[torch.arange(group.size) % count]
    return kept.sort().values, source


def oracle_state(
    tensors: Mapping[str, Tensor], discovery: Discovery, chosen: Mapping[str, tuple[Tensor, Tensor]], kind: Kind, *, generator: Generator
) -> dict[str, Tensor]:
    """Return the full-width state whose output is the subnet's. ``chosen`` is what ``choose_kept`` gave for each group."""
    contracted = {(use.tensor, use.contracted) for use in discovery.uses}
    result = dict(tensors)
    cuts: list[tuple[str, int, Tensor]] = []
    for name, (kept, source) in chosen.items():
        group = discovery.group(name)
        removed = torch.ones(group.size, dtype=torch.bool)
        removed[kept] = False
        for member in group.members:
            table = torch.tensor(member.positions, device=result[member.tensor].device)
            positions = table[removed].flatten()
            if (member.tensor, member.axis) in contracted:
                cuts.append((member.tensor, member.axis, positions))
                continue
            value = result[member.tensor]
            if kind == "copies":
                index = torch.arange(value.shape[member.axis], device=value.device)
                index[positions] = table[source][removed].flatten()
                result[member.tensor] = value.index_select(member.axis, index)
                continue
            old = value.index_select(member.axis, positions)
            new = (
                torch.zeros_like(old)
                if kind == "silent"
                else old * (1.5 + 0.5 * _normal(old, generator).clamp(-2, 2)) + _normal(old, generator).abs()
            )
            if kind == "silent" and member.tensor.endswith("running_var"):
                new = torch.ones_like(old)
            result[member.tensor] = value.index_copy(member.axis, positions, new)
    for tensor, axis, positions in cuts:
        result[tensor] = result[tensor].index_fill(axis, positions, 0.0)
    return result


def _normal(like: Tensor, generator: Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like)


def _smallest_factor(number: int) -> int:
    return next((factor for factor in range(2, math.isqrt(number) + 1) if number % factor == 0), number)
