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

# A prime: drawing tens of millions of numbers would take longer than all that is done with them.
REPEATED = 262_147

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
    changed: set[str] = set()

    def own(name: str) -> Tensor:
        """A copy that may be changed in place: the largest of these tensors are most of the work."""
        if name not in changed:
            changed.add(name)
            result[name] = result[name].clone()
        return result[name]

    cuts: list[tuple[str, int, Tensor]] = []
    for name, (kept, source) in chosen.items():
        group = discovery.group(name)
        removed = torch.ones(group.size, dtype=torch.bool)
        removed[kept] = False
        for member in group.members:
            value = own(member.tensor)
            table = torch.tensor(member.positions, device=value.device)
            positions = table[removed].flatten()
            if (member.tensor, member.axis) in contracted:
                cuts.append((member.tensor, member.axis, positions))
                continue
            if kind == "copies":
                index = torch.arange(value.shape[member.axis], device=value.device)
                index[positions] = table[source][removed].flatten()
                result[member.tensor] = value.index_select(member.axis, index)
                continue
            old = value.index_select(member.axis, positions)
            if kind == "silent":
                new = torch.ones_like(old) if member.tensor.endswith("running_var") else torch.zeros_like(old)
            else:
                new = old.mul_(_normal(old, generator).clamp_(-2, 2).mul_(0.5).add_(1.5)).add_(_normal(old, generator).abs_())
            value.index_copy_(member.axis, positions, new)
    for tensor, axis, positions in cuts:
        value = own(tensor)
        whole = torch.ones(value.shape[axis], dtype=value.dtype, device=value.device)
        whole[positions] = 0
        value.mul_(whole.reshape([-1 if place == axis else 1 for place in range(value.ndim)]))
    return result


def _normal(like: Tensor, generator: Generator) -> Tensor:
    """Return normal numbers of the shape and type of ``like``.

    A large tensor repeats some, at a distance that is prime, so that no two slices of it are alike.
    """
    count = like.numel()
    drawn = torch.randn(min(count, REPEATED), generator=generator).to(like)
    return drawn.repeat(-(-count // len(drawn)))[:count].reshape(like.shape) if count > REPEATED else drawn.reshape(like.shape)


def _smallest_factor(number: int) -> int:
    return next((factor for factor in range(2, math.isqrt(number) + 1) if number % factor == 0), number)
