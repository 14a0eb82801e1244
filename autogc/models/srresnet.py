"""SRResNet, the generator of SRGAN (Ledig et al., CVPR 2017, figure 4)."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F

from autogc.errors import ConfigError
from autogc.models.arguments import one_of
from autogc.models.norm import norm_layer
from autogc.models.registry import GENERATORS

RESIDUALS = ("none", "bicubic")
OUTPUTS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "linear": nn.Identity}


class SRResnetBlock(nn.Module):
    """Two 3x3 convolutions with a skip connection: ``(N, C, H, W) -> (N, C, H, W)``."""

    def __init__(self, channels: int, *, norm: str = "batch") -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = norm_layer(norm, channels)
        self.prelu = nn.PReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = norm_layer(norm, channels)

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.norm2(self.conv2(self.prelu(self.norm1(self.conv1(x)))))
        return x + residual


@GENERATORS.register("srresnet")
class SRResnet(nn.Module):
    """Small pictures to large ones: ``(N, in_channels, H, W)`` in [-1, 1] to ``(N, out_channels, scale * H, scale * W)`` in [-1, 1].

    A 9x9 stem, ``blocks`` residual blocks inside one long skip connection, a 3x3 convolution and PixelShuffle for each doubling, a 9x9
    head. As published, the network itself sees its input in [0, 1] and gives its output in [-1, 1] (section 3.2); the input is brought
    there first.

    ``output``: ``tanh`` (the default, as widely used implementations have it) keeps within [-1, 1]; ``linear`` is the paper's own, which
    may go beyond where pictures are saturated. ``norm``: ``batch``, or ``none`` as in EDSR (Lim et al., CVPRW 2017, figure 2), whose
    training does not see every image's contrast divided away. ``residual``: ``none``, or ``bicubic`` where the network's output is added
    to the bicubic enlargement of its input (VDSR, Kim et al., CVPR 2016, section 3), which then no subnet has to learn.

    With 16 blocks and scale 4 it has 1,549,462 parameters. Weights start as PyTorch's layers do.

    Parts, by name: ``stem``, ``blocks.0`` ..., ``trunk`` (the end of the long skip), ``ups.0`` ..., ``head``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        base_channels: int = 64,
        blocks: int = 16,
        scale: int = 4,
        output: str = "tanh",
        norm: str = "batch",
        residual: str = "none",
    ) -> None:
        super().__init__()
        if scale not in (2, 4, 8):
            raise ConfigError(f"srresnet's scale must be 2, 4 or 8, got {scale!r}")
        one_of("output", output, OUTPUTS)
        one_of("residual", residual, RESIDUALS)
        if residual != "none" and output != "linear":
            raise ConfigError(f"srresnet's residual: {residual} is added to a picture, so it needs output: linear, got {output!r}")
        self.scale, self.residual = scale, residual
        c = base_channels
        self.stem = nn.Sequential(OrderedDict(conv=nn.Conv2d(in_channels, c, 9, padding=4), prelu=nn.PReLU()))
        self.blocks = nn.Sequential(*[SRResnetBlock(c, norm=norm) for _ in range(blocks)])
        self.trunk = nn.Sequential(OrderedDict(conv=nn.Conv2d(c, c, 3, padding=1), norm=norm_layer(norm, c)))
        self.ups = nn.Sequential(*[self._doubling(c) for _ in range(scale.bit_length() - 1)])
        self.head = nn.Sequential(OrderedDict(conv=nn.Conv2d(c, out_channels, 9, padding=4), output=OUTPUTS[output]()))

    @staticmethod
    def _doubling(channels: int) -> nn.Sequential:
        conv = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        return nn.Sequential(OrderedDict(conv=conv, shuffle=nn.PixelShuffle(2), prelu=nn.PReLU()))

    def forward(self, x: Tensor) -> Tensor:
        start = self.stem((x + 1) / 2)
        images: Tensor = self.head(self.ups(start + self.trunk(self.blocks(start))))
        if self.residual == "none":
            return images
        return images + F.interpolate(x, scale_factor=self.scale, mode=self.residual)
