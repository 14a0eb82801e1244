"""Operators that only move data: run on a tensor of ids, they tell themselves what they do."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from autogc.supernet.atoms import Atoms, Ids
from autogc.supernet.layout import Block, Layout, combine, pin, settle, settle_all
from autogc.supernet.rules.registry import Call, NoRuleError, Result, register

SIZE_LIMIT = 1 << 26  # elements of an id tensor; larger ones would take seconds


@register("clone", "contiguous", "alias", "detach", "lift_fresh", "lift_fresh_copy", "_to_copy", "to", "view_as", "positive")
def same(call: Call) -> Result:
    """The tensor itself."""
    return call.layout("self").alias()


@register("permute", "transpose", "t", "numpy_T", "unsqueeze", "squeeze", "movedim", "swapaxes")
def rearranged(call: Call) -> Result:
    """Axes are renamed; what is entangled stays so."""
    return moved(call)


@register(
    "select", "slice", "split", "split_with_sizes", "chunk", "unbind", "narrow", "index_select", "flip", "roll", "unfold", "tensor_split"
)
def along_one_axis(call: Call) -> Result:
    """An axis that is entangled with others must be whole where the operator counts along it."""
    layout = call.layout("self")
    name = next((name for name in ("dim", "dims", "dimension") if name in call.arguments), None)
    given = 0 if name is None else call[name]
    for axis in given if isinstance(given, (list, tuple)) else [given]:
        block = layout.block(axis % len(layout.shape))
        if block is not None and len(block.axes) > 1:
            layout = pin(layout, [axis % len(layout.shape)], call.atoms)
    call.arguments["self"] = layout
    return moved(call)


@register("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle", "as_strided", "repeat_interleave", "tile")
def reshuffled(call: Call) -> Result:
    """Axes are mixed: entangled ones are settled first."""
    call.arguments["self"] = settle_all(call.layout("self"), call.atoms)
    return moved(call)


@register("expand", "repeat")
def stretched(call: Call) -> Result:
    """An axis of size 1 that is repeated is as wide as it needs to be: new atoms."""
    layout = call.layout("self")
    shift = len(call.shape) - len(layout.shape)
    sizes = (1,) * shift + layout.shape
    blocks = [Block(tuple(axis + shift for axis in block.axes), block.ids) for block in layout.blocks]
    if any(size not in (1, new) for size, new in zip(sizes, call.shape, strict=True)):
        call.arguments["self"] = settle_all(layout, call.atoms)
        result = moved(call)
        assert isinstance(result, Layout)
        blocks = result.blocks
    for axis, (size, new) in enumerate(zip(sizes, call.shape, strict=True)):
        if size == 1 and new > 1:
            blocks.append(Block((axis,), call.atoms.allocate(new)))
    return Layout(call.shape, blocks, layout.origin if layout.numel == Layout(call.shape).numel else None)


@register("index")
def index(call: Call) -> Result:
    """Constant indices are data movement; others need the indexed axes whole."""
    layout, indices = call.layout("self"), list(call["indices"])
    for axis, value in enumerate(indices):
        if value is None:
            continue
        block = layout.block(axis)
        constant = call.constants.get(id(value))
        if block is not None and (len(block.axes) > 1 or constant is None):
            layout = pin(layout, [axis], call.atoms, f"{call.where} takes channels by a computed index")
        indices[axis] = torch.zeros(value.shape, dtype=torch.long) if constant is None else constant
    call.arguments["self"], call.arguments["indices"] = layout, indices
    return moved(call)


@register("view", "_unsafe_view", "reshape", "flatten", "unflatten", "_reshape_alias", "view_copy", "_reshape_copy")
def view(call: Call) -> Result:
    """Axes are split and merged; a merge of entangled axes settles which of them shrinks."""
    layout = call.layout("self")
    new = call.shape
    origin = layout.origin
    if layout.shape == new:
        return layout.alias()
    segments = _segments(layout.shape, new)
    for before, after in segments:
        if len(before) > 1 or len(after) > 1:
            layout = _rectangular(layout, before, after, call.atoms)
    parts: list[Block] = []
    done: list[Block] = []
    for before, after in segments:
        for block in layout.blocks:
            if not set(block.axes) & set(before) or any(block is other for other in done):
                continue
            done.append(block)
            if len(block.axes) == 1:
                parts.append(_reshaped(block, before, after, layout.shape, new))
            else:  # entangled across segments, each of which is one axis on this side
                moves = {axis: next(to for source, to in segments if source == (axis,)) for axis in block.axes}
                axes = tuple(to for axis in block.axes for to in moves[axis])
                parts.append(Block(axes, block.ids.reshape([new[axis] for axis in axes])))
    blocks = combine(parts, call.atoms, reason=f"{call.where} merges two channel axes")
    return Layout(new, blocks, origin)


def _segments(old: tuple[int, ...], new: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the smallest runs of axes (before, after) with equal products, axes of size 1 left out."""
    left = [(axis, size) for axis, size in enumerate(old) if size != 1]
    right = [(axis, size) for axis, size in enumerate(new) if size != 1]
    found = []
    while left and right:
        before, after = [left.pop(0)], [right.pop(0)]
        product_before, product_after = before[0][1], after[0][1]
        while product_before != product_after:
            if product_before < product_after:
                before.append(left.pop(0))
                product_before *= before[-1][1]
            else:
                after.append(right.pop(0))
                product_after *= after[-1][1]
        found.append((tuple(axis for axis, _ in before), tuple(axis for axis, _ in after)))
    return found


def _rectangular(layout: Layout, before: tuple[int, ...], after: tuple[int, ...], atoms: Atoms) -> Layout:
    """Leave no entangled axes in a run that is merged."""
    if len(before) == 1:
        return layout
    for block in [block for block in layout.blocks if len(block.axes) > 1 and set(block.axes) & set(before)]:
        inside = [axis for axis in block.axes if axis in before]
        if len(inside) < len(block.axes):  # PixelShuffle by hand: the factor that joins H or W is whole
            layout = pin(layout, inside, atoms)
        else:
            layout = settle(layout, max(inside, key=lambda axis: (layout.shape[axis], axis)), atoms)
    return layout


def _reshaped(block: Block, before: tuple[int, ...], after: tuple[int, ...], old: tuple[int, ...], new: tuple[int, ...]) -> Block:
    shape = [old[axis] for axis in before]
    along = [old[axis] if axis == block.axes[0] else 1 for axis in before]
    ids = np.broadcast_to(block.ids.reshape(along), shape).reshape([new[axis] for axis in after])
    return Block(after, ids)


def moved(call: Call) -> Result:
    """Run the operator on tensors of ids, one block at a time, and read off where each index went."""
    leaves, spec = pytree.tree_flatten(call.arguments, is_leaf=lambda leaf: isinstance(leaf, Layout))
    places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, Layout)]
    parts: list[list[Block]] = [[] for _ in call.shapes]
    for place in places:
        for block in leaves[place].blocks:
            ids = _id_tensor(leaves[place].shape, block, call)
            filled = [
                ids if other == place else torch.zeros((), dtype=ids.dtype).expand(leaf.shape) if isinstance(leaf, Layout) else leaf
                for other, leaf in enumerate(leaves)
            ]
            arguments: dict[str, Any] = pytree.tree_unflatten(filled, spec)
            if "value" in arguments and call.name == "constant_pad_nd":
                arguments["value"] = 0
            for index, tensor in enumerate(_run(call, arguments)):
                parts[index].append(_read(tensor, block))
    origins = {leaf.origin for leaf in leaves if isinstance(leaf, Layout)}
    results: list[Layout | None] = []
    for shape, found in zip(call.shapes, parts, strict=True):
        blocks = combine([part for part in found if part.axes], call.atoms, reason=f"{call.where} mixes two channel axes")
        whole = shape is not None and len(origins) == 1 and sum(Layout(shape).numel == leaves[place].numel for place in places) == 1
        results.append(None if shape is None else Layout(shape, blocks, next(iter(origins)) if whole else None))
    if len(results) == 1 and not _returns_list(call):
        assert results[0] is not None
        return results[0]
    return results


def _returns_list(call: Call) -> bool:
    return any(isinstance(result.type, torch.ListType) for result in call.target._schema.returns)


def _id_tensor(shape: tuple[int, ...], block: Block, call: Call) -> Tensor:
    count = block.ids.size
    if Layout(shape).numel > SIZE_LIMIT:
        raise NoRuleError(f"{call.where} moves a tensor of {Layout(shape).numel} elements, too large to follow")
    kind = torch.float32 if count < 1 << 24 else torch.float64
    sizes = [shape[axis] if axis in block.axes else 1 for axis in range(len(shape))]
    return torch.arange(1, count + 1, dtype=kind).reshape(sizes).expand(shape)


def _run(call: Call, arguments: dict[str, Any]) -> list[Tensor]:
    positional = [arguments[argument.name] for argument in call.target._schema.arguments if not argument.kwarg_only]
    named = {argument.name: arguments[argument.name] for argument in call.target._schema.arguments if argument.kwarg_only}
    with torch.no_grad():
        result = call.target(*positional, **named)
    return [result] if isinstance(result, Tensor) else list(result)


def _read(tensor: Tensor, block: Block) -> Block:
    """Return which atoms are where in a moved id tensor, on the axes along which it varies."""
    axes = []
    for axis in reversed(range(tensor.ndim)):
        if tensor.shape[axis] == 1:
            continue
        first = tensor.narrow(axis, 0, 1)
        if torch.equal(tensor, first.expand_as(tensor)):
            tensor = first
        else:
            axes.append(axis)
    found: Ids = tensor.squeeze().to(torch.int64).numpy().reshape([tensor.shape[axis] for axis in sorted(axes)])
    return Block(tuple(sorted(axes)), np.concatenate([[0], block.ids.ravel()])[found])
