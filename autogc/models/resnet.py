"""The ResNet generator of Johnson et al. (ECCV 2016) as CycleGAN and GAN Compression use it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from autogc.models.initialization import initialize_normal
from autogc.models.norm import needs_bias, norm_layer
from autogc.models.registry import GENERATORS


class ResnetBlock(nn.Module):
    """Two reflection-padded 3x3 convolutions with a skip connection: ``(N, C, H, W) -> (N, C, H, W)``."""

    def __init__(self, channels: int, *, norm: str = "instance", dropout: float = 0.0) -> None:
        super().__init__()
        bias = needs_bias(norm)
        self.pad1 = nn.ReflectionPad2d(1)
        self.conv1 = nn.Conv2d(channels, channels, 3, bias=bias)
        self.norm1 = norm_layer(norm, channels)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.pad2 = nn.ReflectionPad2d(1)
        self.conv2 = nn.Conv2d(channels, channels, 3, bias=bias)
        self.norm2 = norm_layer(norm, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm1(self.conv1(self.pad1(x))))
        return x + self.norm2(self.conv2(self.pad2(self.dropout(y))))


@GENERATORS.register("resnet")
class ResnetGenerator(nn.Module):
    """Stem, two stride-2 convolutions, ``blocks`` residual blocks, two transposed convolutions, head.

    Maps ``(N, in_channels, H, W)`` in [-1, 1] to ``(N, out_channels, H, W)`` in [-1, 1]; H and W must be
    multiples of 4. With ``base_channels`` 64, 9 blocks and 3 channels in and out it has 11,378,179
    parameters (GAN Compression, table 1: 11.3 M).

    Parts, by name: ``stem``, ``down1``, ``down2``, ``blocks.0`` ... , ``up1``, ``up2``, ``head``.
    """

    # The channels where they are no multiples of ``base_channels``, see ``models.config_str``.
    config_str: str | None = None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        base_channels: int = 64,
        blocks: int = 9,
        norm: str = "instance",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        c = base_channels
        bias = needs_bias(norm)
        self.stem = nn.Sequential(
            OrderedDict(
                pad=nn.ReflectionPad2d(3),
                conv=nn.Conv2d(in_channels, c, 7, bias=bias),
                norm=norm_layer(norm, c),
                relu=nn.ReLU(inplace=True),
            )
        )
        self.down1 = self._resample(nn.Conv2d(c, 2 * c, 3, stride=2, padding=1, bias=bias), norm, 2 * c)
        self.down2 = self._resample(nn.Conv2d(2 * c, 4 * c, 3, stride=2, padding=1, bias=bias), norm, 4 * c)
        self.blocks = nn.Sequential(*[ResnetBlock(4 * c, norm=norm, dropout=dropout) for _ in range(blocks)])
        transposed: dict[str, Any] = {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}
        self.up1 = self._resample(nn.ConvTranspose2d(4 * c, 2 * c, bias=bias, **transposed), norm, 2 * c)
        self.up2 = self._resample(nn.ConvTranspose2d(2 * c, c, bias=bias, **transposed), norm, c)
        self.head = nn.Sequential(OrderedDict(pad=nn.ReflectionPad2d(3), conv=nn.Conv2d(c, out_channels, 7), tanh=nn.Tanh()))
        self.apply(initialize_normal)

    @staticmethod
    def _resample(conv: nn.Module, norm: str, channels: int) -> nn.Sequential:
        return nn.Sequential(OrderedDict(conv=conv, norm=norm_layer(norm, channels), relu=nn.ReLU(inplace=True)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down2(self.down1(self.stem(x)))
        return self.head(self.up2(self.up1(self.blocks(x))))
