"""MACs counted by fvcore on a real module: the referee for ``CostModel``, and for every exported package."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

# fvcore's names for convolutions (of both kinds) and matrix products.
MULTIPLYING = ("conv", "linear", "matmul", "addmm", "mm", "bmm")
NORMALIZING = ("batch_norm", "instance_norm", "group_norm", "layer_norm")


def fvcore_by_operator(module: nn.Module, example: Tensor) -> dict[str, int]:
    """Return fvcore's count for each operator in one forward pass of ``example`` (N, C, H, W), in evaluation mode.

    What fvcore calls flops are multiply-accumulates. The module is left in the mode that it came in.
    """
    training = {name: part.training for name, part in module.named_modules()}
    module.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # torch.jit, fvcore's means, is deprecated; that is fvcore's to mend.
            warnings.simplefilter("ignore")
            from fvcore.nn import FlopCountAnalysis

            analysis = FlopCountAnalysis(module, example).tracer_warnings("none")
            analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
            counted = analysis.by_operator()
    finally:
        for name, part in module.named_modules():
            part.training = training[name]
    return {name: int(count) for name, count in counted.items()}


def fvcore_macs(module: nn.Module, example: Tensor) -> int:
    """Return the MACs of convolutions and matrix products, which ``CostModel`` calls ``macs``."""
    counted = fvcore_by_operator(module, example)
    return sum(counted.get(name, 0) for name in MULTIPLYING)


def fvcore_norm_macs(module: nn.Module, example: Tensor) -> int:
    """Return what fvcore counts for normalisation layers, which ``macs`` leaves out."""
    counted = fvcore_by_operator(module, example)
    return sum(counted.get(name, 0) for name in NORMALIZING)
