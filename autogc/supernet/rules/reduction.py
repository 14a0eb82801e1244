"""Operators that take one number out of an axis, and those that normalise along one."""

from __future__ import annotations

from autogc.supernet.layout import Block, Layout, pin
from autogc.supernet.rules.pointwise import pointwise
from autogc.supernet.rules.registry import Call, Result, register


def _dims(call: Call, rank: int) -> list[int]:
    given = call.get("dim", call.get("axis"))
    if given is None or given == [] or given == ():
        return list(range(rank))
    return sorted({axis % rank for axis in (given if isinstance(given, (list, tuple)) else [given])}) if rank else []


@register(
    "mean", "sum", "amax", "amin", "var", "std", "var_mean", "std_mean", "prod", "norm", "linalg_vector_norm", "argmax", "argmin", "max",
    "min", "logsumexp", "any", "all", "nansum", "median", "aminmax",
)  # fmt: skip
def reduction(call: Call) -> Result:
    """Drop the reduced axes. What is averaged over channels changes with the width, which is noted."""
    if isinstance(call.arguments.get("other"), Layout):
        return pointwise(call)
    layout = call.layout("self")
    rank = len(layout.shape)
    dims = _dims(call, rank)
    for block in list(layout.blocks):
        if set(block.axes) & set(dims) and not set(block.axes) <= set(dims):
            layout = pin(layout, [axis for axis in block.axes if axis not in dims], call.atoms)
    keep = call.get("keepdim", False)
    blocks = []
    for block in layout.blocks:
        if set(block.axes) & set(dims):
            call.facts.notes.append((block.ids.ravel(), f"{call.where} reduces over its channels"))
        else:
            axes = block.axes if keep else tuple(axis - sum(dim < axis for dim in dims) for axis in block.axes)
            blocks.append(Block(axes, block.ids))
    results: list[Layout | None] = [
        None if shape is None else Layout(shape, [Block(b.axes, b.ids) for b in blocks]) for shape in call.shapes
    ]
    return results if len(results) > 1 else Layout(call.shape, blocks)


@register("_softmax", "softmax", "_log_softmax", "log_softmax", "_safe_softmax", "cumsum", "cumprod", "logcumsumexp", "cummax")
def along(call: Call) -> Result:
    """Every element depends on all others along an axis: that axis stays whole."""
    layout = call.layout("self")
    axis = call["dim"] % len(layout.shape)
    layout = pin(layout, [axis], call.atoms, f"{call.where} runs along its channels")
    result = Layout(call.shape, layout.blocks)
    return [result, *[result.alias() for _ in call.shapes[1:]]] if len(call.shapes) > 1 else result
