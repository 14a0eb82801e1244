"""The multi-scale discriminator of pix2pixHD (Wang et al., CVPR 2018), as SPADE uses it."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from autogc.models.initialization import initialize_xavier
from autogc.models.norm import norm_layer
from autogc.models.registry import DISCRIMINATORS
from autogc.models.spectral import spectral
from autogc.models.verdict import Verdict

WIDEST = 512


class ScaleDiscriminator(nn.Module):
    """One scale: ``(N, in_channels, H, W)`` to logits ``(N, 1, H', W')`` and the outputs of the ``layers + 1`` stages before them."""

    def __init__(self, in_channels: int, *, base_channels: int, layers: int, norm: str, spectral_norm: bool) -> None:
        super().__init__()
        widths = [min(base_channels * 2**index, WIDEST) for index in range(layers + 1)]
        first = nn.Conv2d(in_channels, widths[0], 4, stride=2, padding=2)
        self.stages = nn.ModuleList([nn.Sequential(OrderedDict(conv=first, relu=nn.LeakyReLU(0.2)))])
        for index, (before, after) in enumerate(pairwise(widths), start=1):
            conv = nn.Conv2d(before, after, 4, stride=1 if index == layers else 2, padding=2, bias=norm == "none")
            self.stages.append(nn.Sequential(OrderedDict(conv=conv, norm=norm_layer(norm, after), relu=nn.LeakyReLU(0.2))))
        self.realness = nn.Conv2d(widths[-1], 1, 4, padding=2)
        self.apply(initialize_xavier)
        for stage in list(self.stages)[1:]:
            inner = stage.get_submodule("conv")
            assert isinstance(inner, nn.Conv2d)
            spectral(inner, wanted=spectral_norm)

    def forward(self, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        features = []
        for stage in self.stages:
            images = stage(images)
            features.append(images)
        return self.realness(images), tuple(features)


@DISCRIMINATORS.register("multi_scale")
class MultiScaleDiscriminator(nn.Module):
    """PatchGANs on an image pyramid: a ``Verdict`` with logits and features of each of ``scales`` scales, the finest first.

    Each next scale sees the image averaged over 3x3 at every second pixel. ``layers`` counts as in ``patchgan`` (3 is SPADE's and
    pix2pixHD's network). As in SPADE, the inner convolutions are spectrally normalised, before instance normalisation.

    Parts, by name: ``scales.0`` ..., each of ``stages.0`` ... and ``realness``.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        base_channels: int = 64,
        layers: int = 3,
        scales: int = 2,
        norm: str = "instance",
        spectral_norm: bool = True,
    ) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            ScaleDiscriminator(in_channels, base_channels=base_channels, layers=layers, norm=norm, spectral_norm=spectral_norm)
            for _ in range(scales)
        )

    def forward(self, images: Tensor) -> Verdict:
        logits, features = [], []
        for index, scale in enumerate(self.scales):
            if index > 0:
                images = F.avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)
            realness, seen = scale(images)
            logits.append(realness)
            features.append(seen)
        return Verdict(tuple(logits), tuple(features))
