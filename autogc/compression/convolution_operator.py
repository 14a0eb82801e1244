"""Operator: a convolution stays dense or becomes depthwise separable.

Howard et al., "MobileNets", 2017; for generators GAN Compression, Li et al., CVPR 2020, section 3.2.
"""

from __future__ import annotations

from typing import Any

from autogc.compression.dimension import OperatorDimension


class ConvolutionOperator(OperatorDimension):
    """Value: ``dense`` or ``separable`` (a depthwise and a pointwise convolution). The supernet holds the weights of both."""

    name = "operator"
    slot = "operator"
    target = "layer"
    neutral = "dense"
    operators = ("dense", "separable")

    def problem(self, value: object) -> str | None:
        if value in self.operators:
            return None
        return f"{value!r} is not an operator; one of {', '.join(self.operators)} works"

    def describe(self, value: Any) -> str:
        return f"{value} convolution"
