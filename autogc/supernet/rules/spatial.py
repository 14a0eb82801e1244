"""Operators that work on the spatial axes and leave batch and channels as they are: pooling, resizing, padding."""

from __future__ import annotations

from autogc.supernet.layout import Layout, pin
from autogc.supernet.rules.movement import moved
from autogc.supernet.rules.registry import Call, NoRuleError, Result, register


def _spatial(call: Call, layout: Layout, axes: int) -> Result:
    rank = len(layout.shape)
    layout = pin(layout, range(rank - axes, rank), call.atoms, call.over_positions)
    results = [None if shape is None else Layout(shape, layout.alias().blocks) for shape in call.shapes]
    return results if len(results) > 1 else Layout(call.shape, layout.blocks)


@register(
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d",
    "_upsample_nearest_exact3d", "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d",
    "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_avg_pool3d", "_adaptive_avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d",
    "max_pool2d_with_indices", "max_pool3d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool3d", "reflection_pad1d",
    "reflection_pad2d", "reflection_pad3d", "replication_pad1d", "replication_pad2d", "replication_pad3d",
)  # fmt: skip
def spatial(call: Call) -> Result:
    """The number of spatial axes is the digit in the operator's name."""
    digits = [int(character) for character in call.name.replace("_with_indices", "") if character.isdigit()]
    layout = call.layout("self" if "self" in call.arguments else "input")
    return _spatial(call, layout, digits[-1])


@register("grid_sampler_2d", "grid_sampler_3d", "grid_sampler")
def grid_sampler(call: Call) -> Result:
    """Channels of the input pass; the grid is coordinates, which stay whole."""
    layout, grid = call.layout("input"), call.layout("grid")
    pin(grid, range(len(grid.shape)), call.atoms, f"{call.where} takes them as coordinates")
    return _spatial(call, layout, len(layout.shape) - 2)


@register("constant_pad_nd", "pad")
def constant_pad(call: Call) -> Result:
    """A channel axis that is padded keeps its atoms, and what is added is fixed; spatial axes are whole anyway."""
    layout, amounts = call.layout("self"), call["pad"]
    rank = len(layout.shape)
    padded = [rank - 1 - index // 2 for index in range(0, len(amounts), 2) if amounts[index] or amounts[index + 1]]
    grown = [axis for axis in padded if (block := layout.block(axis)) is not None and len(block.axes) == 1]
    if not grown:
        return Layout(call.shape, pin(layout, padded, call.atoms, call.over_positions).blocks)
    if any(amount < 0 for amount in amounts):
        raise NoRuleError(f"{call.where} crops its channels")
    return moved(call)


@register("im2col")
def im2col(call: Call) -> Result:
    """Each channel becomes as many positions as the kernel has."""
    layout = call.layout("self")
    rank = len(layout.shape)
    call.arguments["self"] = pin(layout, (rank - 2, rank - 1), call.atoms, call.over_positions)
    return moved(call)
