"""Which atoms the axes of a tensor hold, and how tensors are aligned.

A view such as ``(N, C) -> (N, g, C // g)`` leaves open along which of the new axes channels can be dropped. Such axes
stay *entangled* in one block (an array of atoms over their joint index space) until an operator decides: axes that
it needs whole are *pinned*, which ties all channels along them, so that what is kept stays rectangular.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from autogc.supernet.atoms import FIXED, Atoms, Ids


@dataclass
class Block:
    """Atoms over the joint indices of ``axes`` (ascending); ``ids`` has one dimension for each of them."""

    axes: tuple[int, ...]
    ids: Ids


@dataclass
class Layout:
    """A tensor's shape and its blocks. An axis without a block is fixed; so is every axis of size 1.

    ``origin`` names the parameter that the tensor is, perhaps permuted or scaled. ``reason`` says why a fixed tensor is
    fixed where that isn't plain.
    """

    shape: tuple[int, ...]
    blocks: list[Block] = field(default_factory=list)
    origin: str | None = None
    reason: str | None = None

    def block(self, axis: int) -> Block | None:
        """Return the block that ``axis`` is in, or None where it is fixed."""
        return next((block for block in self.blocks if axis in block.axes), None)

    def alias(self) -> Layout:
        """Return a copy whose blocks can be changed without changing this one's."""
        return replace(self, blocks=[Block(block.axes, block.ids) for block in self.blocks])

    @property
    def numel(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


def simplify(layout: Layout, atoms: Atoms) -> Layout:
    """Return the layout with axes along which a block doesn't vary, and fixed blocks, left out."""
    blocks = []
    for block in layout.blocks:
        ids, axes = block.ids, block.axes
        roots: Ids = atoms.find(ids)
        if atoms.is_fixed(roots).all():
            continue
        for axis in reversed(axes):
            place = axes.index(axis)
            if len(axes) > 1 and (roots == roots.take([0], axis=place)).all():
                roots, ids = np.take(roots, 0, axis=place), np.take(ids, 0, axis=place)
                axes = (*axes[:place], *axes[place + 1 :])
        blocks.append(Block(axes, ids))
    return replace(layout, blocks=blocks)


def pin(layout: Layout, axes: Iterable[int], atoms: Atoms, reason: str | None = None) -> Layout:
    """Return the layout with ``axes`` whole: entangled channels are tied along them, channels on them alone frozen."""
    for axis in axes:
        block = layout.block(axis)
        if block is None:
            continue
        place = block.axes.index(axis)
        if len(block.axes) == 1:
            atoms.freeze(block.ids, reason)
        else:
            atoms.unite(block.ids, block.ids.take([0], axis=place))
        layout = simplify(layout, atoms)
    return layout


def settle(layout: Layout, axis: int, atoms: Atoms) -> Layout:
    """Return the layout with ``axis`` in a block of its own (or fixed): the axes entangled with it are pinned."""
    block = layout.block(axis)
    return layout if block is None else pin(layout, [other for other in block.axes if other != axis], atoms)


def settle_all(layout: Layout, atoms: Atoms) -> Layout:
    """Return the layout with no axes entangled: the largest axis of each block stays (the literal factor of a view is
    usually the smaller one, as in a channel shuffle), the last one among equals."""
    for block in list(layout.blocks):
        if len(block.axes) > 1:
            layout = settle(layout, max(block.axes, key=lambda axis: (layout.shape[axis], axis)), atoms)
    return layout


def vector(layout: Layout, axis: int) -> Ids:
    """Return the atoms of a settled axis, FIXED where it has none."""
    block = layout.block(axis)
    if block is None:
        return np.full(layout.shape[axis], FIXED, dtype=np.int64)
    assert block.axes == (axis,), "settle the axis first"
    return block.ids


def from_vectors(shape: Sequence[int], vectors: dict[int, Ids], origin: str | None = None) -> Layout:
    """Return a layout with one block for each given axis that is longer than 1."""
    blocks = [Block((axis,), ids) for axis, ids in sorted(vectors.items()) if shape[axis] != 1]
    return Layout(tuple(shape), blocks, origin)


def spread(block: Block, axes: Sequence[int]) -> Ids:
    """Return a block's atoms with a dimension of size 1 for each of ``axes`` that it doesn't have."""
    return block.ids.reshape([block.ids.shape[block.axes.index(axis)] if axis in block.axes else 1 for axis in axes])


def _joint(blocks: Iterable[Block]) -> list[tuple[int, ...]]:
    """Return the sets of axes that are connected through blocks."""
    sets: list[set[int]] = []
    for block in blocks:
        touching = [found for found in sets if found & set(block.axes)]
        sets = [found for found in sets if found not in touching] + [set(block.axes).union(*touching)]
    return [tuple(sorted(found)) for found in sets]


def align(layouts: Sequence[Layout], atoms: Atoms, *, skip: int | None = None) -> list[Block]:
    """Unite tensors that are combined element by element; return the blocks of the result.

    Shapes are aligned from the right, and axes of size 1 stretch. ``skip`` is an axis (of the longest shape) that is left alone.
    """
    rank = max(len(layout.shape) for layout in layouts)
    padded = []
    for layout in layouts:
        shift = rank - len(layout.shape)
        blocks = [Block(tuple(axis + shift for axis in block.axes), block.ids) for block in layout.blocks]
        aligned = Layout((1,) * shift + layout.shape, blocks, reason=layout.reason)
        aligned = simplify(aligned, atoms) if skip is None else settle(simplify(aligned, atoms), skip, atoms)
        padded.append(replace(aligned, blocks=[block for block in aligned.blocks if block.axes != (skip,)]))
    while True:
        joint = _joint(block for layout in padded for block in layout.blocks)
        whole: tuple[int, ...] = ()
        reason = None
        for axes in joint:
            for layout in padded:
                inside = [block for block in layout.blocks if set(block.axes) <= set(axes)]
                free = {axis for block in inside for axis in block.axes}
                whole = tuple(axis for axis in axes if layout.shape[axis] > 1 and axis not in free)
                if not whole and len(inside) > 1:  # two channel axes against one entangled block: the largest stays
                    whole = tuple(sorted(axes, key=lambda axis: (layout.shape[axis], axis))[:-1])
                if whole:
                    reason = layout.reason
                    break
            if whole:
                break
        if not whole:
            break
        padded = [pin(layout, whole, atoms, reason) for layout in padded]
    result = []
    for axes in joint:
        arrays = [spread(block, axes) for layout in padded for block in layout.blocks if set(block.axes) <= set(axes)]
        for other in arrays[1:]:
            atoms.unite(*np.broadcast_arrays(arrays[0], other))
        result.append(Block(axes, max(arrays, key=lambda array: array.size)))
    return result


def combine(parts: Sequence[Block], atoms: Atoms, *, reason: str) -> list[Block]:
    """Join blocks of one tensor that come from different sources, id 0 meaning 'not from this source'.

    Where two sources give a channel to the same index (an outer product of channels), both are frozen for ``reason``.
    """
    result = []
    for axes in _joint(parts):
        arrays = [spread(block, axes) for block in parts if set(block.axes) <= set(axes)]
        if len(arrays) == 1:
            result.append(Block(axes, arrays[0]))
            continue
        stacked = np.stack(np.broadcast_arrays(*arrays))
        live = ~atoms.is_fixed(stacked)
        clash = live.sum(axis=0) > 1
        if clash.any():
            atoms.freeze(stacked[live & clash], reason)
        result.append(Block(axes, np.where(live, stacked, FIXED).max(axis=0)))
    return result
