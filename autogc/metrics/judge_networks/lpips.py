"""LPIPS, how different two pictures look (Zhang et al., "The Unreasonable Effectiveness of Deep Features", CVPR 2018, equation 1).

The features of both pictures at some layers of a network that tells ImageNet's classes apart, each position's made of length one; the
squared differences, weighted by channel as people's judgements taught; the mean over positions, and the sum over layers. Version 0.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from autogc.data import Dataset
from autogc.errors import ConfigError, MetricError
from autogc.losses.backbones import VGG16_BLOCKS, alexnet, fill_features, squeezenet, vgg
from autogc.metrics.judge_networks.download import check_named_hash
from autogc.metrics.judge_networks.weights import fill
from autogc.metrics.registry import SIMILARITIES, JudgeNetwork

# What the networks see is (picture - shift) / scale, of pictures in [-1, 1]: nearly ImageNet's statistics, and what the weights were
# learnt with.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
EPSILON = 1e-10


@dataclass(frozen=True)
class Backbone:
    """A network that LPIPS looks with: the layers that it compares, how many channels each has, the smallest side that has all of them."""

    name: str
    file: str
    build: Callable[[], nn.ModuleDict]
    compared: Mapping[str, int]
    smallest: int


ALEXNET = Backbone(
    "AlexNet",
    "alexnet-owt-7be5be79.pth",
    alexnet,
    {"relu1": 64, "relu2": 192, "relu3": 384, "relu4": 256, "relu5": 256},
    smallest=31,
)
VGG16 = Backbone(
    "VGG16",
    "vgg16-397923af.pth",
    lambda: vgg(VGG16_BLOCKS, deepest="relu5_3"),
    {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512, "relu5_3": 512},
    smallest=16,
)
SQUEEZENET = Backbone(
    "SqueezeNet 1.1",
    "squeezenet1_1-b8a52dc0.pth",
    squeezenet,
    {"relu1": 64, "fire3": 128, "fire5": 256, "fire6": 384, "fire7": 384, "fire8": 512, "fire9": 512},
    smallest=17,
)


class Lpips(JudgeNetwork):
    """LPIPS over one backbone; without weights until they are loaded."""

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.label = f"LPIPS 0.1 over {backbone.name} with ImageNet weights of torchvision, pictures at their own size"
        self.backbone = backbone
        self.layers = backbone.build()
        self.linear = nn.ModuleDict({f"lin{place}": _Linear(channels) for place, channels in enumerate(backbone.compared.values())})
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1), persistent=False)
        self.eval()

    def distances(self, pictures: Tensor, target: Tensor) -> Tensor:
        """Return LPIPS of each picture (N, 3, H, W) in [-1, 1] and its target, float32 (N,), lower is better, 0 where they are equal."""
        if min(pictures.shape[-2:]) < self.backbone.smallest:
            raise MetricError(_too_small(self.backbone, tuple(pictures.shape[-2:])))
        x = (torch.cat([pictures, target]).float() - self.shift) / self.scale
        weights = iter(self.linear.values())
        total = torch.zeros(len(pictures), device=x.device)
        for name, layer in self.layers.items():
            x = layer(x)
            if name in self.backbone.compared:
                first, second = (x / (x.square().sum(1, keepdim=True).sqrt() + EPSILON)).chunk(2)
                total = total + next(weights)((first - second).square()).mean((1, 2, 3))
        return total


class _Linear(nn.Module):
    """The weighted sum over channels, (N, channels, H, W) to (N, 1, H, W), named as in the published files: ``model.1.weight``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Identity(), nn.Conv2d(channels, 1, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


@SIMILARITIES.register("lpips_alex")
def lpips_alex(*, backbone: str, linear: str, data: Dataset, seed: int) -> Lpips:
    """Return LPIPS over AlexNet, the one that papers report.

    ``backbone`` is torchvision's state dict (alexnet-owt-7be5be79.pth), ``linear`` the channels' weights that LPIPS is published with
    (weights/v0.1/alex.pth). Raises ``ConfigError`` for missing files and for pictures that are too small, ``CheckpointError`` for files
    of another network.
    """
    del seed  # Nothing is drawn.
    return _loaded("lpips_alex", ALEXNET, backbone=backbone, linear=linear, data=data)


@SIMILARITIES.register("lpips_vgg")
def lpips_vgg(*, backbone: str, linear: str, data: Dataset, seed: int) -> Lpips:
    """Return LPIPS over VGG16: ``lpips_alex`` with vgg16-397923af.pth and weights/v0.1/vgg.pth."""
    del seed
    return _loaded("lpips_vgg", VGG16, backbone=backbone, linear=linear, data=data)


@SIMILARITIES.register("lpips_squeeze")
def lpips_squeeze(*, backbone: str, linear: str, data: Dataset, seed: int) -> Lpips:
    """Return LPIPS over SqueezeNet 1.1: ``lpips_alex`` with squeezenet1_1-b8a52dc0.pth and weights/v0.1/squeeze.pth."""
    del seed
    return _loaded("lpips_squeeze", SQUEEZENET, backbone=backbone, linear=linear, data=data)


def _loaded(name: str, kind: Backbone, *, backbone: str, linear: str, data: Dataset) -> Lpips:
    files = {
        "backbone": (Path(backbone).expanduser(), f"torchvision's ImageNet weights of {kind.name} ({kind.file})"),
        "linear": (Path(linear).expanduser(), f"LPIPS's own (weights/v0.1/{name.removeprefix('lpips_')}.pth)"),
    }
    problems = [f"{name}: {path} does not exist; give {what} as {key}" for key, (path, what) in files.items() if not path.is_file()]
    if min(data.height, data.width) < kind.smallest:
        problems.append(f"{name}: {_too_small(kind, (data.height, data.width))}")
    if problems:
        raise ConfigError(problems)
    for path, _ in files.values():
        check_named_hash(path)
    network = Lpips(kind)
    fill_features(network.layers, files["backbone"][0], what=kind.name)
    fill(network.linear, files["linear"][0], what=f"LPIPS's weights over {kind.name} (lin0.model.1.weight ...)")
    return network


def _too_small(kind: Backbone, size: tuple[int, ...]) -> str:
    return f"LPIPS over {kind.name} needs pictures of at least {kind.smallest} x {kind.smallest}, and they are {size[0]} x {size[1]}"
