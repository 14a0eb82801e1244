"""LPIPS as its paper writes it, over networks in torchvision's layout with weights that are drawn here, and the files of those."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn


class Fire(nn.Module):
    def __init__(self, inputs: int, squeezed: int, each: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, each, 1)
        self.expand3x3 = nn.Conv2d(squeezed, each, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat((self.expand1x1(x), self.expand3x3(x)), 1))


def alexnet() -> list[nn.Module]:
    return [
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU(), nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(), nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(),
    ]  # fmt: skip


def vgg16() -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = 3
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()] if width else [nn.MaxPool2d(2, 2)]
        channels = width or channels
    return layers


def squeezenet() -> list[nn.Module]:
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    fires = [Fire(64, 16, 64), Fire(128, 16, 64), pool, Fire(128, 32, 128), Fire(256, 32, 128), pool]
    return [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool, *fires, Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)]


@dataclass(frozen=True)
class ByHand:
    """``compared`` are the places of the layers that are compared, ``channels`` how many each has."""

    layers: nn.Sequential
    compared: tuple[int, ...]
    linear: tuple[Tensor, ...]

    def distances(self, pictures: Tensor, target: Tensor) -> Tensor:
        """Return LPIPS of each pair, float64 (N,)."""
        shift, scale = torch.tensor([-0.030, -0.088, -0.188]).double(), torch.tensor([0.458, 0.448, 0.450]).double()
        first, second = ((values.double() - shift.view(3, 1, 1)) / scale.view(3, 1, 1) for values in (pictures, target))
        total = torch.zeros(len(pictures), dtype=torch.float64)
        weights = iter(self.linear)
        for place, layer in enumerate(self.layers):
            layer = layer.double()
            first, second = layer(first), layer(second)
            if place in self.compared:
                unit = [values / (values.pow(2).sum(1, keepdim=True).sqrt() + 1e-10) for values in (first, second)]
                total += torch.einsum("nchw,c->nhw", (unit[0] - unit[1]) ** 2, next(weights).double()).mean((1, 2))
        return total

    def write(self, directory: Path) -> dict[str, str]:
        """Write the files as they are published, with a classifier behind the features; return a builder's arguments."""
        paths = {"backbone": directory / "backbone.pth", "linear": directory / "linear.pth"}
        state = {f"features.{name}": value.float() for name, value in self.layers.state_dict().items()}
        torch.save(state | {"classifier.6.bias": torch.zeros(1000)}, paths["backbone"])
        torch.save({f"lin{place}.model.1.weight": value.view(1, -1, 1, 1) for place, value in enumerate(self.linear)}, paths["linear"])
        return {key: str(path) for key, path in paths.items()}


KINDS = {
    "lpips_alex": (alexnet, {1: 64, 4: 192, 7: 384, 9: 256, 11: 256}),
    "lpips_vgg": (vgg16, {3: 64, 8: 128, 15: 256, 22: 512, 29: 512}),
    "lpips_squeeze": (squeezenet, {1: 64, 4: 128, 7: 256, 9: 384, 10: 384, 11: 512, 12: 512}),
}


@cache
def by_hand(name: str) -> ByHand:
    layers, compared = KINDS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = nn.Sequential(*layers()).requires_grad_(False)
        # Weights for distances: none is negative.
        return ByHand(found, tuple(compared), tuple(torch.rand(channels) for channels in compared.values()))
