"""MACs counted by fvcore on a real module: the referee for ``CostModel``, and for every exported package."""

from __future__ import annotations

import warnings
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from autogc.errors import AutogcError

# fvcore's names for convolutions (of both kinds) and matrix products, and those below.
MULTIPLYING = ("conv", "linear", "matmul", "addmm", "mm", "bmm", "baddbmm", "einsum", "mv", "dot", "vdot", "scaled_dot_product_attention")
NORMALIZING = ("batch_norm", "instance_norm", "group_norm", "layer_norm")


def fvcore_by_operator(module: nn.Module, example: Tensor) -> dict[str, int]:
    """Return fvcore's count for each operator in one forward pass of ``example`` (N, C, H, W), in evaluation mode.

    What fvcore calls flops are multiply-accumulates. The module is left in the mode that it came in.
    """
    return _counted(module, example).get("", {})


def fvcore_by_module(module: nn.Module, example: Tensor) -> dict[str, dict[str, int]]:
    """Return the same for each module that does something itself: what its parts do is counted at them. A shared module has one name."""
    counted = _counted(module, example)
    own = {name: dict(operators) for name, operators in counted.items()}
    for name, operators in counted.items():
        if name:
            parent = own[name.rpartition(".")[0]]
            for operator, count in operators.items():
                parent[operator] -= count
    found = {name: {operator: count for operator, count in operators.items() if count} for name, operators in own.items()}
    return {name: operators for name, operators in found.items() if operators}


def _counted(module: nn.Module, example: Tensor) -> dict[str, dict[str, int]]:
    """Return fvcore's counts by module, parts included, and operator."""
    training = {name: part.training for name, part in module.named_modules()}
    fast = torch.backends.mha.get_fastpath_enabled()
    module.eval()
    torch.backends.mha.set_fastpath_enabled(False)  # one operator for a whole attention layer, which could not be counted
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # torch.jit, fvcore's means, is deprecated; that is fvcore's to mend.
            warnings.simplefilter("ignore")
            from fvcore.nn import FlopCountAnalysis

            analysis = FlopCountAnalysis(module, example).tracer_warnings("none").set_op_handle(**HANDLES)
            analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
            counted = analysis.by_module_and_operator()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for name, part in module.named_modules():
            part.training = training[name]
    return {name: {operator: int(count) for operator, count in operators.items()} for name, operators in counted.items()}


def _shape(value: Any) -> list[int]:
    found: list[int] = value.type().sizes()
    return found


def _contraction(inputs: list[Any], outputs: list[Any]) -> int:
    """Each element of the result of a product sums over the last axis of its first operand."""
    return prod(_shape(outputs[0])) * _shape(inputs[0])[-1]


def _added_contraction(inputs: list[Any], outputs: list[Any]) -> int:
    return prod(_shape(outputs[0])) * _shape(inputs[1])[-1]


def _attention(inputs: list[Any], outputs: list[Any]) -> int:
    """Queries (..., L, E) times keys (..., S, E), then weights (..., L, S) times values (..., S, V)."""
    query, key, value = (_shape(one) for one in inputs[:3])
    return prod(query) * key[-2] + prod(value) * query[-2]


def _einsum(inputs: list[Any], outputs: list[Any]) -> int:
    """Two operands are multiplied once for each combination of their indices; what one of them alone is summed over comes first."""
    equation = inputs[0].toIValue().replace(" ", "")
    left, arrow, result = equation.partition("->")
    terms, shapes = left.split(","), [_shape(one) for one in inputs[1].node().inputs()]
    if len(terms) > 2 or "." in equation:
        raise AutogcError(f"the multiplications of einsum {equation!r} can't be counted; those of two operands without '...' can be")
    result = result if arrow else "".join(letter for letter in left if left.count(letter) == 1)
    shared = set(terms[0]).intersection(*terms[1:])
    if len(terms) == 1 or shared <= set(result):
        return 0  # element by element, which is not counted
    sizes = {letter: size for term, shape in zip(terms, shapes, strict=True) for letter, size in zip(term, shape, strict=True)}
    return prod(size for letter, size in sizes.items() if letter in shared or letter in result)


# What fvcore has no handler for, or one that is wrong for vectors (matmul) or rounds to four digits (einsum).
HANDLES = {
    "aten::matmul": _contraction,
    "aten::mv": _contraction,
    "aten::dot": _contraction,
    "aten::vdot": _contraction,
    "aten::baddbmm": _added_contraction,
    "aten::einsum": _einsum,
    "aten::scaled_dot_product_attention": _attention,
}


def fvcore_macs(module: nn.Module, example: Tensor) -> int:
    """Return the MACs of convolutions and matrix products, which ``CostModel`` calls ``macs``."""
    counted = fvcore_by_operator(module, example)
    return sum(counted.get(name, 0) for name in MULTIPLYING)


def fvcore_norm_macs(module: nn.Module, example: Tensor) -> int:
    """Return what fvcore counts for normalisation layers, which ``macs`` leaves out."""
    counted = fvcore_by_operator(module, example)
    return sum(counted.get(name, 0) for name in NORMALIZING)
