"""The trunk of the feature networks that autogc trains itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from autogc.metrics.judge_networks.fitting import Block, Layer


class Encoder(nn.Module):
    """Pictures (N, 3, H, W) in [-1, 1], of any size, to features (N, 7 width).

    Three levels of ``width``, ``2 width`` and ``4 width`` channels at a half, a quarter and an eighth of the size; the features are each
    level's means over the picture. The first level keeps texture and colour in them, where the last knows what a picture shows.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = 7 * width
        self.level2 = nn.Sequential(Layer(12, width), Layer(width, width))
        self.level4 = nn.Sequential(Layer(width, 2 * width, stride=2), Block(2 * width))
        self.level8 = nn.Sequential(Layer(2 * width, 4 * width, stride=2), Block(4 * width))

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        padded = functional.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate")
        half = self.level2(functional.pixel_unshuffle(padded, 2))
        quarter = self.level4(half)
        levels = (half, quarter, self.level8(quarter))
        return torch.cat([level.mean((2, 3)) for level in levels], 1)
