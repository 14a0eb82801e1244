"""Operators that put tensors together or into one another."""

from __future__ import annotations

import numpy as np

from autogc.supernet.layout import Block, Layout, align, pin, settle, simplify, vector
from autogc.supernet.rules.registry import Call, NoRuleError, Result, register


@register("cat", "concat", "concatenate")
def cat(call: Call) -> Result:
    """Axes beside the concatenated one are united; along it, atoms follow one another."""
    layouts = [layout for layout in call["tensors"] if layout.shape != (0,)]
    axis = call.get("dim", 0) % len(call.shape)
    layouts = [settle(simplify(layout, call.atoms), axis, call.atoms) for layout in layouts]
    ids = np.concatenate([vector(layout, axis) for layout in layouts])
    blocks = align(layouts, call.atoms, skip=axis)
    return Layout(call.shape, [*blocks, Block((axis,), ids)])


@register("stack")
def stack(call: Call) -> Result:
    """Tensors are united; the new axis is fixed."""
    layouts = [simplify(layout, call.atoms) for layout in call["tensors"]]
    new = call.get("dim", 0) % len(call.shape)
    blocks = [Block(tuple(axis + (axis >= new) for axis in block.axes), block.ids) for block in align(layouts, call.atoms)]
    return Layout(call.shape, blocks)


@register("glu")
def glu(call: Call) -> Result:
    """The two halves of an axis are multiplied with each other."""
    layout = call.layout("self")
    axis = call.get("dim", -1) % len(layout.shape)
    layout = settle(layout, axis, call.atoms)
    ids = vector(layout, axis)
    half = len(ids) // 2
    call.atoms.unite(ids[:half], ids[half:])
    others = [block for block in layout.blocks if block.axes != (axis,)]
    return Layout(call.shape, [*others, Block((axis,), ids[:half])])


@register("slice_scatter", "select_scatter")
def scatter(call: Call) -> Result:
    """A part of an axis is overwritten."""
    layout, source = call.layout("self"), call.layout("src")
    rank = len(layout.shape)
    axis = call.get("dim", 0) % rank
    if call.name == "select_scatter":
        shape = (*source.shape[:axis], 1, *source.shape[axis:])
        source = Layout(shape, [Block(tuple(a + (a >= axis) for a in block.axes), block.ids) for block in source.blocks])
        chosen = np.array([call["index"] % layout.shape[axis]])
    else:
        chosen = np.arange(layout.shape[axis])[slice(call.get("start"), call.get("end"), call.get("step", 1))]
    layout, source = settle(layout, axis, call.atoms), settle(source, axis, call.atoms)
    ids = vector(layout, axis).copy()
    ids[chosen] = vector(source, axis)
    return Layout(call.shape, [*align([layout, source], call.atoms, skip=axis), Block((axis,), ids)])


@register("embedding")
def embedding(call: Call) -> Result:
    """Rows are looked up: the number of rows is fixed, their width is free."""
    table, indices = call.layout("weight"), call.layout("indices")
    pin(indices, range(len(indices.shape)), call.atoms, f"{call.where} takes them as numbers of rows")
    table = settle(pin(table, [0], call.atoms, f"{call.where} looks its rows up by number"), 1, call.atoms)
    return Layout(call.shape, [Block((len(call.shape) - 1,), vector(table, 1))])


@register("gather", "take_along_dim")
def gather(call: Call) -> Result:
    """Rows are picked by computed indices: only a tensor without channel axes can be followed."""
    layouts = call.tensors()
    if any(layout.blocks for layout in layouts):
        raise NoRuleError(f"{call.where} picks elements by computed indices")
    return Layout(call.shape)
