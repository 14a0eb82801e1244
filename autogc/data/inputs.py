"""What a generator is given, made of a split's decoded samples: a picture, a label map, noise, or a picture and what it is to become."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from autogc.data.samples import IGNORE_INDEX, Samples, Window, gather, signed


class Made(NamedTuple):
    """Inputs (N, C, h, w), and the domains (N, D) that they ask for where there are domains."""

    tensor: Tensor
    wanted: Tensor | None = None


class InputKind(Protocol):
    """How inputs are made. It pickles, and the same places always give the same inputs."""

    def make(self, samples: Samples, places: Sequence[int], windows: Sequence[Window] | None, *, split: str) -> Made:
        """Return the inputs at ``places``, cut to ``windows``."""


@dataclass(frozen=True)
class PictureInput:
    """The picture in ``samples.inputs``, in [-1, 1]."""

    def make(self, samples: Samples, places: Sequence[int], windows: Sequence[Window] | None, *, split: str) -> Made:
        assert samples.inputs is not None
        return Made(signed(gather(samples.inputs, places, windows)))


@dataclass(frozen=True)
class LabelInput:
    """The label map (``maps``, or else ``labels``), one-hot in ``channels`` channels of 1 and -1.

    With ``edges`` there is one more channel, 1 on the borders between instances. A channel past the last class, where there is one, marks
    unlabelled pixels.
    """

    channels: int
    edges: bool = False

    def make(self, samples: Samples, places: Sequence[int], windows: Sequence[Window] | None, *, split: str) -> Made:
        given = samples.labels if samples.maps is None else samples.maps
        assert given is not None
        maps = one_hot(torch.from_numpy(gather(given, places, windows).astype(np.int64)), self.channels)
        if self.edges:
            assert samples.edges is not None
            borders = torch.from_numpy(gather(samples.edges, places, windows).astype(np.float32)).mul_(2).sub_(1)
            maps = torch.cat([maps, borders[:, None]], dim=1)
        return Made(maps)


@dataclass(frozen=True)
class NoiseInput:
    """Standard normal noise (channels, 1, 1), a function of the seed, the split's name and the place alone."""

    channels: int
    seed: int

    def make(self, samples: Samples, places: Sequence[int], windows: Sequence[Window] | None, *, split: str) -> Made:
        drawn = torch.empty(len(places), self.channels, 1, 1)
        for row, place in enumerate(places):
            digest = hashlib.sha256(f"{self.seed}:{split}:{place}".encode()).digest()
            drawn[row].normal_(generator=torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1))
        return Made(drawn)


@dataclass(frozen=True)
class DomainInput:
    """The picture itself in [-1, 1] and, behind its channels, a map of 0 or 1 for each domain, saying what it is to become.

    What is asked of a sample is what another one, half of the split away, is, so that the asked domains are as frequent as the real ones.
    Training asks for others (StarGAN draws them anew for every batch).
    """

    def make(self, samples: Samples, places: Sequence[int], windows: Sequence[Window] | None, *, split: str) -> Made:
        assert samples.domains is not None
        count = len(samples.domains)
        others = [(place + count // 2) % count for place in places]
        wanted = torch.from_numpy(samples.domains[np.asarray(others)].astype(np.float32))
        return Made(with_domains(signed(gather(samples.targets, places, windows)), wanted), wanted)


@dataclass(frozen=True)
class AskedInput:
    """The picture in ``samples.inputs`` and, behind its channels, maps of what it is to become, which ``samples.domains`` says."""

    def make(self, samples: Samples, places: Sequence[int], windows: Sequence[Window] | None, *, split: str) -> Made:
        assert samples.inputs is not None and samples.domains is not None
        wanted = torch.from_numpy(samples.domains[np.asarray(places)].astype(np.float32))
        return Made(with_domains(signed(gather(samples.inputs, places, windows)), wanted), wanted)


def with_domains(pictures: Tensor, wanted: Tensor) -> Tensor:
    """Return pictures (N, C, H, W) with a constant map (0 or 1) behind their channels for each of the ``wanted`` domains (N, D)."""
    maps = wanted[:, :, None, None].expand(-1, -1, *pictures.shape[-2:])
    return torch.cat([pictures, maps.to(pictures)], dim=1)


def one_hot(labels: Tensor, channels: int) -> Tensor:
    """Return labels (N, H, W) as float32 (N, channels, H, W), 1 in the label's channel and -1 elsewhere.

    The last channel takes the pixels whose label is ``IGNORE_INDEX``, where no class has that channel.
    """
    place = torch.where(labels == IGNORE_INDEX, channels - 1, labels)
    return (place[:, None] == torch.arange(channels)[None, :, None, None]).float().mul_(2).sub_(1)
