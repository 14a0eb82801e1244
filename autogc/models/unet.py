"""The U-Net generator of pix2pix (Isola et al., CVPR 2017)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from autogc.errors import ConfigError
from autogc.models.arguments import sides_divisible
from autogc.models.initialization import initialize_normal
from autogc.models.norm import needs_bias, norm_layer
from autogc.models.registry import GENERATORS

# Up convolutions drop out from this level on, counted from the image inwards, but not the innermost: three of 8, two of 7, one of 6.
FIRST_DROPPED = 4


@GENERATORS.register("unet")
class UNetGenerator(nn.Module):
    """``downs`` stride-2 convolutions down to a point, as many transposed ones back, each level's output concatenated to its way up.

    Maps ``(N, in_channels, H, W)`` in [-1, 1] to ``(N, out_channels, H, W)`` in [-1, 1]; 2 ** ``downs`` must divide H and W: 8 are for
    images of 256 pixels, 7 for 128, 6 for 64. Widths double up to 8 ``base_channels``. ``dropout`` is the share dropped in training, in
    the inner up convolutions but the innermost; pix2pix drops in evaluation too, autogc does not, so that an image is always the same.
    With 8 downs and 3 channels in and out it has 54,413,955 parameters (GAN Compression, table 7: 54.4 M).

    Parts, by name: ``downs.0`` ... from the image inwards, ``ups.0`` ... back outwards.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        base_channels: int = 64,
        downs: int = 8,
        norm: str = "batch",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if downs < 2:
            raise ConfigError(f"unet needs 2 downs at least, got {downs}")
        bias = needs_bias(norm)
        widths = [base_channels * min(2**level, 8) for level in range(downs)]
        self.downs = nn.ModuleList()
        self.ups = nn.ModuleList()
        for level, width in enumerate(widths):
            down = OrderedDict[str, nn.Module]()
            if level > 0:
                down["relu"] = nn.LeakyReLU(0.2)
            down["conv"] = nn.Conv2d(widths[level - 1] if level > 0 else in_channels, width, 4, stride=2, padding=1, bias=bias)
            if 0 < level < downs - 1:
                down["norm"] = norm_layer(norm, width)
            self.downs.append(nn.Sequential(down))
        for level in reversed(range(downs)):
            inputs = widths[level] * (1 if level == downs - 1 else 2)
            outputs = widths[level - 1] if level > 0 else out_channels
            up = OrderedDict[str, nn.Module](relu=nn.ReLU())
            up["conv"] = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias or level == 0)
            if level == 0:
                up["tanh"] = nn.Tanh()
            else:
                up["norm"] = norm_layer(norm, outputs)
            if FIRST_DROPPED <= level < downs - 1:
                up["dropout"] = nn.Dropout(dropout)
            self.ups.append(nn.Sequential(up))
        self.apply(initialize_normal)

    def forward(self, x: Tensor) -> Tensor:
        sides_divisible(f"unet with {len(self.downs)} downs", x, 2 ** len(self.downs))
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = self.ups[0](skips.pop())
        for up in list(self.ups)[1:]:
            x = up(torch.cat([skips.pop(), x], dim=1))
        return x
