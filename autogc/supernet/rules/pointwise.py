"""Operators that combine tensors element by element."""

from __future__ import annotations

from autogc.supernet.layout import Layout, align
from autogc.supernet.rules.registry import Call, Result, register


@register(
    "pointwise", "copy", "dropout", "native_dropout", "alpha_dropout", "feature_dropout", "rrelu_with_noise", "prelu", "_prelu_kernel"
)
def pointwise(call: Call) -> Result:
    """Unite the atoms of aligned axes. Random masks and PReLU's slopes follow the same rule."""
    layouts = call.tensors()
    if call.name == "prelu" and len(layouts) == 2 and len(layouts[0].shape) > 2:
        slope = layouts[1]
        layouts[1] = _as_channels(slope, rank=len(layouts[0].shape))
    blocks = align(layouts, call.atoms)
    weights = {layout.origin for layout in layouts if layout.origin is not None and layout.numel == _numel(call.shape)}
    result = Layout(call.shape, blocks, weights.pop() if len(weights) == 1 else None)
    return [result, *[result.alias() for _ in call.shapes[1:]]] if len(call.shapes) > 1 else result


def _numel(shape: tuple[int, ...]) -> int:
    return Layout(shape).numel


def _as_channels(slope: Layout, *, rank: int) -> Layout:
    """Return PReLU's slopes as ``(C, 1, ...)``, aligned with axis 1 of a tensor of that rank."""
    return Layout(slope.shape + (1,) * (rank - 2), slope.blocks, slope.origin)
