"""What an analysis says about multiplications, brought to weights, channel groups and numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch import nn

from autogc.supernet.analysis import Analysis
from autogc.supernet.atoms import Ids
from autogc.supernet.groups import AxisLength, Product, WeightUse
from autogc.supernet.rules.registry import Multiplication

Channels = Mapping[int, tuple[str, int]]  # a class's root: its group and channel


def shares(analysis: Analysis) -> dict[int, tuple[tuple[int, int], ...]]:
    """Return how often each class (by its root) occurs in each factor of the multiplications.

    Channels that are multiplied differently often are not of one group, so that a group's every channel costs the same.
    """
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    factors = [ids for one in analysis.facts.multiplications for ids in one.factors]
    for place, ids in enumerate(factors):
        for root, count in zip(*np.unique(analysis.atoms.find(ids.ravel()), return_counts=True), strict=True):
            found[int(root)].append((place, int(count)))
    return {root: tuple(counts) for root, counts in found.items()}


def weight_uses(analysis: Analysis, module: nn.Module) -> tuple[WeightUse, ...]:
    """Return one use for each weight, in order of first use, positions added over calls; those with rows of channels count none."""
    owners: dict[str, set[str]] = defaultdict(set)
    names = {id(tensor): name for name, tensor in [*module.named_parameters(), *module.named_buffers()]}
    for path, part in module.named_modules():
        for tensor in [*part._parameters.values(), *part._buffers.values()]:
            if tensor is not None and id(tensor) in names:
                owners[names[id(tensor)]].add(path)
    found: dict[str, WeightUse] = {}
    for one in analysis.facts.multiplications:
        if one.tensor is None:
            continue
        counted = (0, 0) if _has_channels(one, analysis) else (one.positions, one.published)
        layer, called = one.tensor.rpartition(".")[0], one.layer in owners[one.tensor]
        before = found.get(one.tensor, WeightUse(one.tensor, layer, one.kind, 0, 0, one.contracted))
        found[one.tensor] = replace(
            before,
            positions=before.positions + counted[0],
            published_positions=before.published_positions + counted[1],
            called=before.called and called,
        )
    return tuple(found.values())


def products(analysis: Analysis, channels: Channels) -> tuple[Product, ...]:
    """Return the multiplications that ``weight_uses`` doesn't count."""
    found = []
    for one in analysis.facts.multiplications:
        factors, constant = one.factors, 1
        if one.tensor is not None:
            if not _has_channels(one, analysis):
                continue
            layout = analysis.tensors[one.tensor]
            held = {axis for block in layout.blocks for axis in block.axes}
            factors = (*factors, *(block.ids for block in layout.blocks))
            constant = int(np.prod([size for axis, size in enumerate(layout.shape) if axis not in held], dtype=np.int64))
        lengths = tuple(_length(ids, analysis, channels) for ids in factors)
        found.append(Product(one.layer, lengths, constant * one.positions, constant * one.published))
    return tuple(found)


def _has_channels(one: Multiplication, analysis: Analysis) -> bool:
    return any(not analysis.atoms.is_fixed(ids.ravel()).all() for ids in one.factors)


def _length(ids: Ids, analysis: Analysis, channels: Channels) -> AxisLength:
    roots, counts = np.unique(analysis.atoms.find(ids.ravel()), return_counts=True)
    fixed, repeats = 0, {}
    for root, count in zip(roots.tolist(), counts.tolist(), strict=True):
        if root in channels:
            repeats[channels[root][0]] = count
        else:
            fixed += count
    return AxisLength(fixed, tuple(sorted(repeats.items())))
