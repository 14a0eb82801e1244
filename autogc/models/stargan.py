"""StarGAN (Choi et al., CVPR 2018): one generator for every domain, and a discriminator that also names the domain."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

from torch import Tensor, nn

from autogc.errors import ConfigError
from autogc.models.arguments import sides_divisible
from autogc.models.registry import DISCRIMINATORS, GENERATORS
from autogc.models.verdict import Verdict


def _norm(channels: int) -> nn.Module:
    """The official code tracks statistics, but samples in training mode too: it never uses them, and neither are they kept here."""
    return nn.InstanceNorm2d(channels, affine=True, track_running_stats=False)


class StarGANBlock(nn.Module):
    """Two zero-padded 3x3 convolutions with a skip connection: ``(N, C, H, W) -> (N, C, H, W)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = _norm(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        return x + residual


@GENERATORS.register("stargan")
class StarGANGenerator(nn.Module):
    """Stem, two stride-2 convolutions, ``blocks`` residual blocks, two transposed convolutions, head; no biases.

    Maps ``(N, in_channels, H, W)``, a picture in [-1, 1] with a map of 0 or 1 for each domain behind its channels, to
    ``(N, out_channels, H, W)`` in [-1, 1]; H and W must be multiples of 4. With 5 domains it has 8,430,528 parameters.
    Weights start as PyTorch's layers do, like the official code's.

    Parts, by name: ``stem``, ``down1``, ``down2``, ``blocks.0`` ..., ``up1``, ``up2``, ``head``.
    """

    def __init__(self, in_channels: int, out_channels: int, *, base_channels: int = 64, blocks: int = 6) -> None:
        super().__init__()
        c = base_channels
        self.stem = self._stage(nn.Conv2d(in_channels, c, 7, padding=3, bias=False))
        self.down1 = self._stage(nn.Conv2d(c, 2 * c, 4, stride=2, padding=1, bias=False))
        self.down2 = self._stage(nn.Conv2d(2 * c, 4 * c, 4, stride=2, padding=1, bias=False))
        self.blocks = nn.Sequential(*[StarGANBlock(4 * c) for _ in range(blocks)])
        self.up1 = self._stage(nn.ConvTranspose2d(4 * c, 2 * c, 4, stride=2, padding=1, bias=False))
        self.up2 = self._stage(nn.ConvTranspose2d(2 * c, c, 4, stride=2, padding=1, bias=False))
        self.head = nn.Sequential(OrderedDict(conv=nn.Conv2d(c, out_channels, 7, padding=3, bias=False), tanh=nn.Tanh()))

    @staticmethod
    def _stage(conv: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
        return nn.Sequential(OrderedDict(conv=conv, norm=_norm(conv.out_channels), relu=nn.ReLU(inplace=True)))

    def forward(self, x: Tensor) -> Tensor:
        sides_divisible("stargan", x, 4)
        x = self.down2(self.down1(self.stem(x)))
        images: Tensor = self.head(self.up2(self.up1(self.blocks(x))))
        return images


@DISCRIMINATORS.register("stargan")
class StarGANDiscriminator(nn.Module):
    """A PatchGAN with two heads: ``(N, in_channels, height, width)`` to logits ``(N, 1, H', W')`` and classes ``(N, domains)``.

    ``layers`` stride-2 convolutions (each halves the image, so 6 need 64 pixels at least), LeakyReLU 0.01, and no normalisation, which
    the gradient penalty rules out. ``height``, ``width`` and ``domains`` are the dataset's. With 5 domains at 128x128 it has 44,762,048
    parameters.

    Parts, by name: ``layers.0`` ..., ``realness``, ``classes``.
    """

    def __init__(self, in_channels: int, *, height: int, width: int, domains: int, base_channels: int = 64, layers: int = 6) -> None:
        super().__init__()
        size = (height // 2**layers, width // 2**layers)
        if min(size) < 1:
            raise ConfigError(f"stargan's discriminator halves images {layers} times, too often for {height}x{width}; give it fewer layers")
        if domains < 1:
            raise ConfigError("stargan's discriminator names an image's domain, and the dataset has no domains")
        widths = [in_channels, *[base_channels * 2**index for index in range(layers)]]
        self.layers = nn.Sequential(
            *[
                nn.Sequential(OrderedDict(conv=nn.Conv2d(before, after, 4, stride=2, padding=1), relu=nn.LeakyReLU(0.01)))
                for before, after in pairwise(widths)
            ]
        )
        self.realness = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)
        self.classes = nn.Conv2d(widths[-1], domains, size, bias=False)

    def forward(self, images: Tensor) -> Verdict:
        features = self.layers(images)
        return Verdict((self.realness(features),), classes=self.classes(features).flatten(1))
