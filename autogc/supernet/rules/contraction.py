"""Convolutions and matrix products: a contraction ties the axis that is summed over."""

from __future__ import annotations

import math

import numpy as np

from autogc.supernet.atoms import Ids
from autogc.supernet.layout import Block, Layout, align, from_vectors, pin, settle, vector
from autogc.supernet.rules.registry import Call, Multiplication, Result, register


def _note(
    call: Call, kind: str, weight: Layout, contracted: int, *, rows: Layout | None = None, positions: int = 1, published: int | None = None
) -> bool:
    """Note a multiplication of every element of ``weight``, where that is a parameter or buffer, with ``rows`` times ``positions`` numbers.

    ``contracted`` is the axis of ``weight`` that is summed over. Returns whether it is a weight.
    """
    if weight.origin is None:
        return False
    block = weight.block(contracted)
    owner = None if block is None else call.atoms.owner(int(block.ids.flat[0]))
    axis = owner[1] if owner is not None and owner[0] == weight.origin else contracted
    many, factors = (1, ()) if rows is None else _size(rows)
    published = many * (positions if published is None else published)
    call.facts.multiplications.append(Multiplication(call.layer, kind, factors, many * positions, published, weight.origin, axis))
    return True


def _note_product(call: Call, *layouts: Layout, positions: int = 1, published: int | None = None) -> None:
    """Note a multiplication of as many numbers as all ``layouts`` have elements, multiplied: no operand is a weight as it is stored."""
    sizes = [_size(layout) for layout in layouts]
    many = math.prod(size for size, _ in sizes)
    factors = tuple(ids for _, found in sizes for ids in found)
    published = many * (positions if published is None else published)
    call.facts.multiplications.append(Multiplication(call.layer, "product", factors, many * positions, published))


def _size(layout: Layout) -> tuple[int, tuple[Ids, ...]]:
    """Return the number of elements along the axes that no channels live on, and the atoms along the others."""
    held = {axis for block in layout.blocks for axis in block.axes}
    return math.prod(size for axis, size in enumerate(layout.shape) if axis not in held), tuple(block.ids for block in layout.blocks)


def _without(layout: Layout, axis: int) -> Layout:
    """Return the layout with a settled axis of length 1 in its place."""
    shape = (*layout.shape[:axis], 1, *layout.shape[axis + 1 :])
    return Layout(shape, [block for block in layout.blocks if block.axes != (axis,)])


@register("convolution", "_convolution", "conv1d", "conv2d", "conv3d", "cudnn_convolution", "mkldnn_convolution")
def convolution(call: Call) -> Result:
    """Input channels meet the weight's second axis (a transposed one's first); output channels are the other one's.

    A grouped convolution must shrink each of its groups evenly: corresponding channels are tied across groups, so a
    class is one channel of every group. A depthwise one has as many groups as channels.
    """
    weight = call.layout("weight")
    rank = len(weight.shape)
    layout = pin(call.layout("input"), [0, *range(2, rank)], call.atoms, call.over_positions)
    groups, transposed = call.get("groups", 1), call.get("transposed", False)
    depthwise = groups > 1 and groups == layout.shape[1]
    contracted = 0 if transposed and not depthwise else 1
    published = math.prod(call.shape[2:])
    positions = math.prod(layout.shape[2:]) if transposed else published
    layout = settle(layout, 1, call.atoms)
    weight = pin(weight, range(2, rank), call.atoms)
    weight = settle(settle(weight, 0, call.atoms), 1, call.atoms)
    kind = "conv_transpose" if transposed else "conv"
    if not _note(call, kind, weight, contracted, positions=positions, published=published):
        _note_product(call, weight, positions=positions, published=published)
    channels, first, second = vector(layout, 1), vector(weight, 0), vector(weight, 1)
    unite = call.atoms.unite
    if groups == 1:
        unite(channels, first if transposed else second)
        out = second if transposed else first
    elif depthwise and transposed:
        unite(channels, first)
        call.atoms.freeze(second)
        out = np.repeat(first, len(second))
    elif depthwise:
        unite(channels.repeat(len(first) // groups), first)
        out = first
    else:
        by_group = first.reshape(groups, -1)
        unite(by_group[1:], by_group[:1])
        unite(channels.reshape(groups, -1), (by_group[0] if transposed else second)[None, :])
        out = np.tile(second, groups) if transposed else first
    bias = call.optional("bias")
    if bias is not None:
        unite(out, vector(settle(bias, 0, call.atoms), 0))
    return from_vectors(call.shape, {1: out})


def _product(call: Call, left: Layout, right: Layout) -> Layout:
    """``(..., M, K) x (..., K, N)``: K is tied, batch axes are united, M and N are the operands' own."""
    rank = len(left.shape)
    left, right = settle(left, rank - 1, call.atoms), settle(right, rank - 2, call.atoms)
    if left.origin is None and right.origin is None:
        call.facts.notes.append((vector(left, rank - 1), f"{call.where} multiplies activations over its channels"))
    contracted = Layout((left.shape[-1],), [Block((0,), vector(left, rank - 1))])
    call.atoms.unite(vector(left, rank - 1), vector(right, rank - 2))
    left, right = settle(left, rank - 2, call.atoms), settle(right, rank - 1, call.atoms)
    outer = [_without(left, rank - 1), _without(right, rank - 2)]
    result = Layout((*left.shape[:-1], right.shape[-1]), align(outer, call.atoms))
    if rank == 2 and right.origin is not None and left.origin is None:
        _note(call, "linear", right, 0, rows=outer[0])
    elif rank == 2 and left.origin is not None and right.origin is None:
        _note(call, "linear", left, 1, rows=outer[1])
    else:
        _note_product(call, result, contracted)
    return result


@register("mm", "bmm")
def product(call: Call) -> Result:
    return _product(call, call.layout("self"), call.layout("mat2"))


@register("addmm", "baddbmm")
def add_product(call: Call) -> Result:
    names = ("mat1", "mat2") if "mat1" in call.arguments else ("batch1", "batch2")
    result = _product(call, call.layout(names[0]), call.layout(names[1]))
    return Layout(call.shape, align([call.layout("self"), result], call.atoms))


@register("linear")
def linear(call: Call) -> Result:
    layout, weight = call.layout("input"), call.layout("weight")
    rank = len(layout.shape)
    layout, weight = settle(layout, rank - 1, call.atoms), settle(settle(weight, 0, call.atoms), 1, call.atoms)
    rows = _without(layout, rank - 1)
    if not _note(call, "linear", weight, 1, rows=rows):
        _note_product(call, rows, weight)
    call.atoms.unite(vector(layout, rank - 1), vector(weight, 1))
    out = vector(weight, 0)
    bias = call.optional("bias")
    if bias is not None:
        call.atoms.unite(out, vector(settle(bias, 0, call.atoms), 0))
    return Layout(call.shape, [*[block for block in layout.blocks if block.axes != (rank - 1,)], Block((rank - 1,), out)])


@register("mv", "dot", "vdot")
def vector_product(call: Call) -> Result:
    first, second = call.tensors()[:2]
    last = len(first.shape) - 1
    first = settle(first, last, call.atoms)
    call.atoms.unite(vector(first, last), vector(settle(second, 0, call.atoms), 0))
    _note_product(call, first)
    return from_vectors(call.shape, {0: vector(first, 0)} if last else {})


@register(
    "_scaled_dot_product_flash_attention_for_cpu", "scaled_dot_product_attention", "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention", "_scaled_dot_product_fused_attention_overrideable",
)  # fmt: skip
def attention(call: Call) -> Result:
    """Queries meet keys along the last axis, whose length also sets the scale: it is whole. Values keep their own."""
    query, key, value = call.layout("query"), call.layout("key"), call.layout("value")
    last = len(query.shape) - 1
    for layout in (query, key):
        pin(settle(layout, last, call.atoms), range(last + 1), call.atoms, f"{call.where} compares whole queries and keys")
    value = pin(settle(value, last, call.atoms), range(last), call.atoms, f"{call.where} looks over all positions and heads")
    _note_product(call, Layout(query.shape), positions=key.shape[-2])
    _note_product(call, from_vectors(value.shape, {last: vector(value, last)}), positions=query.shape[-2])
    result = from_vectors(call.shape, {last: vector(value, last)})
    return [result, *[None if shape is None else Layout(shape) for shape in call.shapes[1:]]] if len(call.shapes) > 1 else result
