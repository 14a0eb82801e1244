"""Find the channel groups of an ordinary module."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from autogc.supernet.analysis import Analysis, analyse
from autogc.supernet.groups import AxisMember, ChannelGroup, Discovery, Unit, WeightUse
from autogc.supernet.layout import vector
from autogc.supernet.multiplications import products, shares, weight_uses
from autogc.supernet.trace import trace

Place = tuple[str, int]  # a tensor's name and an axis
Classes = dict[int, dict[Place, list[int]]]  # a class's root: where it lives


def discover(module: nn.Module, example: tuple[Tensor, ...], *, watch: Sequence[str] = (), tie: Sequence[Unit] = ()) -> Discovery:
    """Return the channel groups of ``module``, how its weights are used, and what can't shrink.

    ``example`` is the inputs of one forward pass; the first element of each along axis 0 is taken. ``watch`` names modules on
    whose outputs (axis 1) the groups are wanted too. ``tie`` are units at whose two ends the channels are to be the same ones, as a
    residual connection would make them. The module is not changed. A channel class is what must be kept or dropped
    together: one channel, or one of each convolution group where a convolution is grouped, so any set of classes may be kept.
    Raises ConversionError when the module can't be traced. What is found is a claim; ``verify`` proves it.
    """
    analysis = analyse(trace(module, example, watch=watch, tie=tie))
    uses = weight_uses(analysis, module)
    classes = _classes(analysis)
    groups, names = _groups(analysis, classes, uses)
    return Discovery(
        groups=groups,
        uses=uses,
        watched={name: _watched(analysis, name, names) for name in analysis.watched},
        frozen=_frozen(analysis, groups),
        notes=_notes(analysis, names),
        products=products(analysis, names),
        units=tuple(tie),
    )


def _classes(analysis: Analysis) -> Classes:
    """Return the classes that are not fixed, and where on parameters and buffers they live."""
    found: Classes = defaultdict(lambda: defaultdict(list))
    for name in analysis.used:
        layout = analysis.tensors[name]
        for block in layout.blocks:
            roots = analysis.atoms.find(block.ids)
            for position in np.flatnonzero(~analysis.atoms.is_fixed(roots)):
                found[int(roots[position])][name, block.axes[0]].append(int(position))
    return found


def _groups(analysis: Analysis, classes: Classes, uses: Sequence[WeightUse]) -> tuple[tuple[ChannelGroup, ...], dict[int, tuple[str, int]]]:
    """Gather classes that live on the same axes; return the groups in execution order and each class's (group, channel)."""
    alike: dict[tuple[tuple[tuple[Place, int], ...], tuple[tuple[int, int], ...]], list[int]] = defaultdict(list)
    multiplied = shares(analysis)
    for root, lives in classes.items():
        places = tuple(sorted((place, len(positions)) for place, positions in lives.items()))
        alike[places, multiplied.get(root, ())].append(root)
    order = {use.tensor: index for index, use in enumerate(uses)}
    first_use = {name: index for index, name in enumerate(analysis.used)}

    def rank(place: Place) -> tuple[int, int, int]:
        """Producers (weights whose other axis is summed over) first, in execution order."""
        use = next((use for use in uses if use.tensor == place[0]), None)
        produces = use is not None and use.contracted != place[1]
        return (0 if produces else 1, order.get(place[0], first_use[place[0]]), place[1])

    built = []
    for (signature, _), roots in alike.items():
        if len(roots) < 2:
            continue
        ranked = sorted((place for place, _ in signature), key=rank)
        lead = ranked[0]
        roots.sort(key=_first_position(classes, lead))
        members = tuple(AxisMember(*place, tuple(tuple(classes[root][place]) for root in roots)) for place in ranked)
        producers = tuple(dict.fromkeys(place[0].rpartition(".")[0] for place in ranked if rank(place)[0] == 0))
        name = (producers[0] if producers else "") or lead[0]
        built.append((rank(lead), classes[roots[0]][lead][0], name, ChannelGroup(name, len(roots), members, producers), roots))
    built.sort(key=lambda item: item[:2])
    taken: dict[str, int] = defaultdict(int)
    groups: list[ChannelGroup] = []
    names: dict[int, tuple[str, int]] = {}
    for _, _, name, group, roots in built:
        unique = f"{name}#{taken[name]}" if taken[name] else name  # channels of one layer that go different ways
        taken[name] += 1
        groups.append(replace(group, name=unique))
        names.update({root: (unique, index) for index, root in enumerate(roots)})
    return tuple(groups), names


def _first_position(classes: Classes, lead: Place) -> Callable[[int], int]:
    return lambda root: classes[root][lead][0]


def _watched(analysis: Analysis, name: str, names: dict[int, tuple[str, int]]) -> tuple[tuple[str, int] | None, ...]:
    layout = analysis.watched[name]
    if len(layout.shape) < 2:
        return ()
    return tuple(names.get(int(root)) for root in analysis.atoms.find(vector(layout, 1)))


def _frozen(analysis: Analysis, groups: Sequence[ChannelGroup]) -> dict[str, str]:
    """Return the axes that an operator froze, and those whose channels are all one class."""
    found = {}
    live = {(member.tensor, member.axis) for group in groups for member in group.members}
    for name in analysis.used:
        for block in analysis.tensors[name].blocks:
            roots = np.unique(analysis.atoms.find(block.ids))
            reasons = [reason for reason in map(analysis.atoms.reason_of, roots.tolist()) if reason is not None]
            if reasons:
                found[f"{name}:{block.axes[0]}"] = reasons[0]
            elif (name, block.axes[0]) not in live and len(roots) == 1 and not analysis.atoms.is_fixed(roots).any():
                found[f"{name}:{block.axes[0]}"] = "all its channels must be kept or dropped together"
    return found


def _notes(analysis: Analysis, names: dict[int, tuple[str, int]]) -> dict[str, str]:
    found: dict[str, list[str]] = defaultdict(list)
    for ids, what in analysis.facts.notes:
        for group in dict.fromkeys(names[root][0] for root in analysis.atoms.find(ids).tolist() if root in names):
            found[group].append(what)
    return {group: "; ".join(dict.fromkeys(what)) for group, what in found.items()}
