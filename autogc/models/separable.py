"""GAN Compression's decomposed convolution (Li et al., CVPR 2020, section 3.2)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from autogc.models.initialization import CONVOLUTIONS


class SeparableConvolution(nn.Module):
    """A convolution of each channel by itself, instance normalisation, and a 1x1 convolution across channels; for a dense one.

    MACs fall from ``in * out * k^2`` to ``in * (k^2 + out)`` a position (Howard et al., MobileNets, 2017).
    """

    def __init__(self, dense: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        channels, bias = dense.in_channels, dense.bias is not None
        settings: dict[str, Any] = {name: getattr(dense, name) for name in ("kernel_size", "stride", "padding")}
        if isinstance(dense, nn.ConvTranspose2d):
            settings["output_padding"] = dense.output_padding
        self.depthwise = type(dense)(channels, channels, groups=channels, bias=bias, **settings)
        self.norm = nn.InstanceNorm2d(channels)  # As published, whatever normalises the rest of the generator.
        self.pointwise = nn.Conv2d(channels, dense.out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pointwise(self.norm(self.depthwise(x)))
        return y


def decompose_convolutions(module: nn.Module, part: str) -> None:
    """Replace, in place, every convolution in (or at) the submodule named ``part`` by a ``SeparableConvolution`` of the same name.

    The new weights start as PyTorch's layers do; initialise them after.
    """
    for name, dense in list(module.get_submodule(part).named_modules(prefix=part)):
        if isinstance(dense, CONVOLUTIONS):
            module.set_submodule(name, SeparableConvolution(dense))
