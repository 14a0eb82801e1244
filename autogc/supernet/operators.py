"""What a convolution may become: dense, depthwise separable, or one that reads quantised activations."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from autogc.compression import DIMENSIONS, ActivationDimension


class SeparableConv2d(nn.Module):
    """A depthwise and a pointwise convolution in the place of a dense one.

    ``(N, in_channels, H, W) -> (N, out_channels, H', W')``. MACs fall from ``in * out * k^2`` to
    ``in * (k^2 + out)`` a position (Howard et al., MobileNets, 2017; GAN Compression, section 3.2).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        *,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        padding_mode: Any = "zeros",
        bias: bool = True,
        device: Any = None,
    ) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels,
            in_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=in_channels,
            padding_mode=padding_mode,
            bias=bias,
            device=device,
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=bias, device=device)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pointwise(self.depthwise(x))
        return y


class ElasticConv2d(nn.Conv2d):
    """A convolution of the supernet that holds both operators; ``operator`` says which one runs.

    It keeps the names ``weight`` and ``bias`` of the convolution that it replaces, and adds ``depthwise`` and ``pointwise``.
    """

    operator: str = "dense"
    depthwise: nn.Conv2d
    pointwise: nn.Conv2d

    @classmethod
    def from_conv(cls, conv: nn.Conv2d) -> ElasticConv2d:
        """Take over a dense convolution's weights and start the separable operator at its best approximation."""
        settings: dict[str, Any] = {
            "stride": conv.stride,
            "padding": conv.padding,
            "dilation": conv.dilation,
            "padding_mode": conv.padding_mode,
            "bias": conv.bias is not None,
        }
        elastic = cls(conv.in_channels, conv.out_channels, cast(Any, conv.kernel_size), **settings)
        separable = SeparableConv2d(conv.in_channels, conv.out_channels, conv.kernel_size, **settings)
        elastic.depthwise, elastic.pointwise = separable.depthwise, separable.pointwise
        elastic.to(conv.weight)
        with torch.no_grad():
            elastic.weight.copy_(conv.weight)
            if elastic.bias is not None and conv.bias is not None:
                elastic.bias.copy_(conv.bias)
        elastic.approximate()
        return elastic

    @torch.no_grad()
    def approximate(self) -> None:
        """Set the separable operator to the closest one in the least-squares sense: rank one for each input channel.

        A separable kernel is ``pointwise[o, i] * depthwise[i]``, so for every input channel the best is the first
        singular pair of the ``out_channels x k^2`` matrix of its kernels, told by the ``k^2 x k^2`` matrix of their products.
        """
        kernels = self.weight.detach().transpose(0, 1).flatten(2).double()
        squares, vectors = torch.linalg.eigh(kernels.transpose(1, 2) @ kernels)
        right = vectors[:, :, -1]
        scale = squares[:, -1:].clamp(min=0).pow(0.25)
        left = (kernels @ right[:, :, None])[:, :, 0]  # times the singular value, the square of the scale
        self.depthwise.weight.copy_((right * scale).reshape(self.depthwise.weight.shape))
        self.pointwise.weight.copy_((left / scale.clamp(min=torch.finfo(scale.dtype).tiny)).T[:, :, None, None])
        if self.bias is not None:
            assert self.depthwise.bias is not None and self.pointwise.bias is not None
            self.depthwise.bias.zero_()
            self.pointwise.bias.copy_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.operator == "separable":
            y: Tensor = self.pointwise(self.depthwise(x))
            return y
        return super().forward(x)


def quantize_activation(x: Tensor, bits: int) -> Tensor:
    """Return activations (N, ...) rounded to ``bits`` bits over each sample's own range."""
    dimension = DIMENSIONS["activation_bits"]
    assert isinstance(dimension, ActivationDimension)
    return dimension.apply(x, bits)


def quantize_input(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    """Forward pre-hook of a supernet's layers: read the input in as many bits as the active candidate says."""
    bits = getattr(module, "activation_bits", None)
    return None if bits is None else (quantize_activation(args[0], bits), *args[1:])


class QuantizedInput(nn.Module):
    """A layer that reads its input in ``bits`` bits (dynamic range for each sample)."""

    def __init__(self, layer: nn.Module, bits: int) -> None:
        super().__init__()
        self.layer = layer
        self.bits = bits

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(quantize_activation(x, self.bits))
        return y

    def __getattr__(self, name: str) -> Any:
        """What code around it asks the layer for (``weight.dtype``, ``out_channels``) it answers."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("layer"), name)

    def extra_repr(self) -> str:
        return f"bits={self.bits}"
