"""Generators with parts that can be left out, and some with parts that cannot."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from autogc.models import GENERATORS


class Compact(nn.Module):
    """A plain stack of convolutions without norms, called one by one, as Real-ESRGAN's compact upscaler is."""

    def __init__(self, width: int = 16, convs: int = 4, scale: int = 2) -> None:
        super().__init__()
        body: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.PReLU(width)]
        for _ in range(convs):
            body += [nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)]
        self.body = nn.ModuleList([*body, nn.Conv2d(width, 3 * scale**2, 3, padding=1)])
        self.up = nn.PixelShuffle(scale)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for part in self.body:
            y = part(y)
        return self.up(y) + nn.functional.interpolate(x, scale_factor=2, mode="nearest")  # type: ignore[no-any-return]


def built(name: str, args: dict[str, Any], channels: int) -> nn.Module:
    torch.manual_seed(0)
    return GENERATORS.build(name, args, in_channels=channels, out_channels=3).eval()


def compact(**args: Any) -> nn.Module:
    torch.manual_seed(0)
    return Compact(**args).eval()


def resnet(**args: Any) -> nn.Module:
    return built("resnet", {"base_channels": 8, "blocks": 3, **args}, 3)


def spade() -> nn.Module:
    return built("spade", {"base_channels": 4, "hidden_channels": 8}, 5)
