"""The generator of animevideov3 (Real-ESRGAN: Wang et al., ICCV workshops 2021): plain convolutions, then one rearrangement of pixels."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F


class CompactUpscaler(nn.Module):
    """Images (N, 3, H, W) in [-1, 1] to images (N, 3, scale H, scale W) in about [-1, 1].

    A 3x3 convolution to ``width`` channels, ``convs`` more of them, each followed by a PReLU, and one to ``3 scale^2`` channels that become
    pixels; what comes out is added to the nearest-neighbour enlargement. The released network works on images in [0, 1], so inputs are
    brought there and outputs back. Parameters have the names of the release, ``body.0.weight`` and so on.
    """

    def __init__(self, width: int = 64, convs: int = 16, scale: int = 4) -> None:
        super().__init__()
        channels = [3, *[width] * (convs + 1)]
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.PReLU(after)]
        layers.append(nn.Conv2d(width, 3 * scale**2, 3, padding=1))
        self.body = nn.Sequential(*layers)
        self.scale = scale

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = images / 2 + 0.5
        details = F.pixel_shuffle(self.body(seen), self.scale)
        return (details + F.interpolate(seen, scale_factor=self.scale, mode="nearest")) * 2 - 1
