"""Normalisation layers. Those that average over channels give other statistics at another width, which is noted."""

from __future__ import annotations

from autogc.supernet.atoms import Ids
from autogc.supernet.layout import Layout, align, from_vectors, pin, settle, vector
from autogc.supernet.rules.registry import Call, Result, register


def _normalized(call: Call, layout: Layout) -> Result:
    """The first output is like the input; the saved statistics that follow are used by the backward pass only."""
    result = Layout(call.shape, layout.blocks)
    if len(call.shapes) == 1:
        return result
    return [result, *[None if shape is None else Layout(shape) for shape in call.shapes[1:]]]


def _channels(call: Call, layout: Layout, axis: int, names: tuple[str, ...]) -> tuple[Layout, Ids]:
    """Unite the per-channel tensors with ``axis`` of the input."""
    layout = settle(layout, axis, call.atoms)
    ids = vector(layout, axis)
    for name in names:
        other = call.optional(name)
        if other is not None:
            call.atoms.unite(ids, vector(settle(other, 0, call.atoms), 0))
    return layout, ids


@register(
    "native_batch_norm", "batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_native_batch_norm_legit", "_batch_norm_no_update",
    "_native_batch_norm_legit_no_training", "_native_batch_norm_legit_functional", "_batch_norm_with_update", "instance_norm",
)  # fmt: skip
def batch_norm(call: Call) -> Result:
    """Each channel by itself. InstanceNorm reaches this rule as a batch of one with N * C channels."""
    layout = call.layout("input")
    rank = len(layout.shape)
    if rank > 2:
        layout = pin(layout, [0, *range(2, rank)], call.atoms, call.over_positions)
    layout, _ = _channels(call, layout, 1, ("weight", "bias", "running_mean", "running_var"))
    return _normalized(call, layout)


@register("native_layer_norm", "layer_norm", "_fused_rms_norm", "rms_norm")
def layer_norm(call: Call) -> Result:
    """Averages over the last axes; weight and bias have the shape of those."""
    layout = call.layout("input")
    count = len(call["normalized_shape"])
    first = len(layout.shape) - count
    for index in range(count):
        layout = settle(layout, first + index, call.atoms)
        ids = vector(layout, first + index)
        for name in ("weight", "bias"):
            other = call.optional(name)
            if other is not None:
                call.atoms.unite(ids, vector(settle(other, index, call.atoms), index))
        call.facts.notes.append((ids, f"{call.where} averages over its channels, so its statistics change with the width"))
    return _normalized(call, layout)


@register("native_group_norm", "group_norm")
def group_norm(call: Call) -> Result:
    """Averages over the channels of a group. Every group keeps as many, so corresponding channels are tied across groups."""
    layout = call.layout("input")
    groups = call["group"] if "group" in call.arguments else call["num_groups"]
    layout = pin(layout, range(2, len(layout.shape)), call.atoms, call.over_positions)
    layout, ids = _channels(call, layout, 1, ("weight", "bias"))
    if groups < len(ids):
        rows = ids.reshape(groups, -1)
        call.atoms.unite(rows[1:], rows[:1])
        call.facts.notes.append((ids, f"{call.where} averages over its channels, so its statistics change with the width"))
    return _normalized(call, layout)


@register("_weight_norm_interface", "_weight_norm")
def weight_norm(call: Call) -> Result:
    """A weight divided by the norm of each of its slices: narrower inputs give other norms."""
    weight, scale = call.layout("v"), call.layout("g")
    result = Layout(call.shape, align([weight, scale], call.atoms), weight.origin)
    for block in result.blocks:
        if call.get("dim", 0) not in block.axes:
            call.facts.notes.append((block.ids.ravel(), f"{call.where} divides by a norm over its channels"))
    return [result, *[None if shape is None else scale.alias() for shape in call.shapes[1:]]] if len(call.shapes) > 1 else result


@register("cosine_similarity", "pairwise_distance")
def distance(call: Call) -> Result:
    """Compares whole vectors: fixed."""
    for layout in call.tensors():
        pin(layout, range(len(layout.shape)), call.atoms, f"{call.where} compares whole vectors")
    return from_vectors(call.shape, {})
