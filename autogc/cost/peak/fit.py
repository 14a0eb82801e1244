"""The bytes of everything that a forward pass allocates, as formulas in the kept channels, from a few recordings."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence

from autogc.cost.formula import TensorSize
from autogc.cost.peak.record import Recording
from autogc.errors import AutogcError
from autogc.supernet.groups import AxisLength, ChannelGroup

Kept = Mapping[str, int]


class UnfitError(AutogcError):
    """What a forward pass allocates is no product of lengths linear in the kept channels, or not the same tensors at all widths."""


def fit(
    record: Callable[[Kept], Recording], groups: Mapping[str, ChannelGroup], lengths: Iterable[AxisLength]
) -> tuple[Recording, list[TensorSize]]:
    """Return the recording at full width, and the size of each of its storages (elements, not bytes) in terms of the groups.

    ``record`` makes the recording of one set of kept channels. Groups are shrunk several at a time first: which axis follows which is told
    by the pattern, or by ``lengths``, those that the weights' axes have. Where that does not explain a fresh recording with random widths,
    one group is shrunk at a time. Raises UnfitError where that doesn't either.
    """
    full = {name: group.size for name, group in groups.items()}
    elastic = [name for name, group in groups.items() if _shrunk(group) < group.size]
    base = record(full)
    fresh = record(_random(groups))
    coded = [
        {**full, **{name: _shrunk(groups[name]) for place, name in enumerate(elastic, start=1) if place >> bit & 1}}
        for bit in range(len(elastic).bit_length())
    ]
    alone = [{**full, name: _shrunk(groups[name])} for name in elastic]
    problem = ""
    for designs in [coded, alone] if len(alone) > len(coded) else [alone]:
        recordings = [record(kept) for kept in designs]
        for other in (*recordings, fresh):
            if not _alike(base, other):
                raise UnfitError("it does not do the same at every width")
        axes = _Axes([full, *designs], groups, lengths)
        sizes = [
            TensorSize(
                tuple(axes.length([one.storages[index].shape[axis] for one in (base, *recordings)]) for axis in range(len(storage.shape)))
            )
            for index, storage in enumerate(base.storages)
        ]
        kept = _random(groups)
        if any(axis.fixed < 0 for size in sizes for axis in size.axes):
            raise UnfitError("an axis would have less than no elements")
        wrong = [
            index for index, size in enumerate(sizes) if size.numel(kept) * base.storages[index].itemsize != fresh.storages[index].nbytes
        ]
        if not wrong:
            return base, sizes
        problem = (
            f"{len(wrong)} of its {len(sizes)} tensors do not grow as products of channels, such as one of {fresh.storages[wrong[0]].shape}"
        )
    raise UnfitError(problem)


class _Axes:
    """Explains how long an axis was in several recordings by a constant, a known length, or one group."""

    def __init__(self, designs: Sequence[Kept], groups: Mapping[str, ChannelGroup], lengths: Iterable[AxisLength]) -> None:
        self._designs = designs
        self._groups = groups
        known: dict[tuple[int, ...], set[AxisLength]] = {}
        for length in lengths:
            ordered = AxisLength(length.fixed, tuple(sorted(length.parts)))
            known.setdefault(tuple(ordered.of(kept) for kept in designs), set()).add(ordered)
        self._known = {seen: next(iter(found)) for seen, found in known.items() if len(found) == 1}

    def length(self, seen: Sequence[int]) -> AxisLength:
        """Return the length of an axis that was ``seen`` so long in each recording, the first at full width."""
        if all(one == seen[0] for one in seen):
            return AxisLength(seen[0])
        if (found := self._known.get(tuple(seen))) is not None:
            return found
        return self._of_one_group(seen) or self._of_several(seen)

    def _of_one_group(self, seen: Sequence[int]) -> AxisLength | None:
        for name, group in self._groups.items():
            channels = [group.size - kept[name] for kept in self._designs]
            lost = [seen[0] - one for one in seen]
            repeat = max(lost) // max(max(channels), 1)
            if repeat > 0 and lost == [repeat * gone for gone in channels]:
                return AxisLength(seen[0] - repeat * group.size, ((name, repeat),))
        return None

    def _of_several(self, seen: Sequence[int]) -> AxisLength:
        """Where each recording shrank one group alone, what is lost in it is that group's; otherwise a length that will prove wrong."""
        parts = []
        for kept, one in zip(self._designs[1:], seen[1:], strict=True):
            narrow = [name for name, group in self._groups.items() if kept[name] < group.size]
            if one != seen[0] and len(narrow) == 1:
                gone = self._groups[narrow[0]].size - kept[narrow[0]]
                parts.append((narrow[0], (seen[0] - one) // gone))
        whole = sum(repeat * self._groups[name].size for name, repeat in parts)
        return AxisLength(seen[0] - whole, tuple(parts))


def _shrunk(group: ChannelGroup) -> int:
    return max(group.size // 2 // group.multiple, 1) * group.multiple


def _random(groups: Mapping[str, ChannelGroup]) -> dict[str, int]:
    """Return kept channels, the same at every call, that no two groups are likely to share."""
    generator = random.Random(0)
    return {name: generator.randint(1, group.size // group.multiple) * group.multiple for name, group in groups.items()}


def _alike(first: Recording, second: Recording) -> bool:
    """Tell whether the same tensors are held at the same times, whatever their sizes."""
    calls = [[(call.name, call.start, call.stop, call.held) for call in one.calls] for one in (first, second)]
    shapes = [[(len(storage.shape), storage.itemsize) for storage in one.storages] for one in (first, second)]
    return first.steps == second.steps and calls[0] == calls[1] and shapes[0] == shapes[1]
