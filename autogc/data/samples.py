"""The decoded samples of a split, as bytes: arrays where all have one size, anything that gives one picture a place otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

# The label of a pixel that has no class, in every dataset, whatever its files say.
IGNORE_INDEX = 255


class PictureList(Protocol):
    """Pictures one at a time, uint8 (C, H, W) or (H, W) each: of different sizes, or too many to be kept decoded."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int) -> np.ndarray: ...

    def sizes(self) -> Sequence[tuple[int, ...]] | None:
        """Return the shape of each picture, without decoding any where possible; None where all have the same."""

    def check(self) -> None:
        """Decode everything once, so that a file that cannot be used is named (``DataError``)."""


Pictures = np.ndarray | PictureList


class Window(NamedTuple):
    """A part of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def scaled(self, factor: int) -> Window:
        return Window(*(factor * value for value in self))


@dataclass(frozen=True)
class Samples:
    """The decoded samples of a split, all uint8: 0..255 for pictures, class indices for labels.

    ``targets`` holds pictures (C, H, W), C 3 or 1; ``inputs`` the pictures that are given, or None where the input is made of something
    else; ``labels`` (H, W) or None; ``edges`` (H, W), 1 on the borders between instances, or None; ``domains`` (N, D) of 0 and 1, or None.
    """

    targets: Pictures
    labels: Pictures | None = None
    inputs: Pictures | None = None
    edges: Pictures | None = None
    domains: np.ndarray | None = None

    def check(self) -> None:
        """Decode what is decoded on demand; raises ``DataError``."""
        for pictures in (self.targets, self.labels, self.inputs, self.edges):
            if pictures is not None and not isinstance(pictures, np.ndarray):
                pictures.check()


class DecodedList:
    """Pictures of different sizes, all in memory."""

    def __init__(self, pictures: Sequence[np.ndarray]) -> None:
        self._pictures = list(pictures)

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, place: int) -> np.ndarray:
        return self._pictures[place]

    def sizes(self) -> Sequence[tuple[int, ...]]:
        return [picture.shape for picture in self._pictures]

    def check(self) -> None:
        return None


def gather(pictures: Pictures, places: Sequence[int], windows: Sequence[Window] | None) -> np.ndarray:
    """Return the pictures at ``places``, each cut to its window, as one new array (n, ...)."""
    if windows is None:
        if isinstance(pictures, np.ndarray):
            return pictures[np.asarray(places, dtype=np.int64)]
        return np.stack([pictures[place] for place in places])
    parts = []
    for place, (top, left, height, width) in zip(places, windows, strict=True):
        parts.append(pictures[place][..., top : top + height, left : left + width])
    return np.stack(parts)


def signed(pixels: np.ndarray) -> Tensor:
    """Return 0..255 as float32 in [-1, 1]."""
    return torch.from_numpy(pixels.astype(np.float32)).div_(127.5).sub_(1)
