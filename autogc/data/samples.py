"""The decoded samples of a split, as bytes: arrays where all have one size, anything that gives one picture a place otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from autogc.progress import Progress

# The label of a pixel that has no class, in every dataset, whatever its files say.
IGNORE_INDEX = 255


class PictureList(Protocol):
    """Pictures one at a time, uint8 (C, H, W) or (H, W) each: of different sizes, or too many to be kept decoded."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int) -> np.ndarray: ...

    def take(self, places: Sequence[int]) -> list[np.ndarray]:
        """Return the pictures at ``places``, decoded side by side."""

    def shape(self, place: int) -> tuple[int, ...]:
        """Return one picture's shape, without decoding it where possible."""

    def sizes(self) -> Sequence[tuple[int, ...]] | None:
        """Return the shape of each picture, without decoding any where possible; None where all have the same."""

    def check(self, progress: Progress | None = None) -> None:
        """Decode everything once, keeping nothing, so that a file that cannot be used is named (``DataError``)."""


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
    else; ``labels`` (H, W) or None; ``maps`` (H, W), the label map that is given where it is another one than ``labels``, which are judged;
    ``judged``, label maps of any size that are judged in place of ``labels``, or None; ``edges`` (H, W), 1 on the borders between
    instances, or None; ``domains`` (N, D) of 0 and 1, or None.
    """

    targets: Pictures
    labels: Pictures | None = None
    inputs: Pictures | None = None
    edges: Pictures | None = None
    maps: Pictures | None = None
    judged: Pictures | None = None
    domains: np.ndarray | None = None

    @property
    def lists(self) -> dict[str, Pictures]:
        """What there is of pictures and maps, by the field's name."""
        found = {name: getattr(self, name) for name in PICTURE_FIELDS}
        return {name: pictures for name, pictures in found.items() if pictures is not None}

    @property
    def given(self) -> Pictures | None:
        """What inputs are made of, or None where that is the targets, or noise."""
        return next((pictures for pictures in (self.inputs, self.maps, self.labels) if pictures is not None), None)

    def check(self, progress: Progress | None = None) -> None:
        """Decode what is decoded on demand; raises ``DataError``."""
        for pictures in self.lists.values():
            if not isinstance(pictures, np.ndarray):
                pictures.check(progress)


PICTURE_FIELDS = ("targets", "labels", "inputs", "edges", "maps", "judged")


class DecodedList:
    """Pictures of different sizes, all in memory."""

    def __init__(self, pictures: Sequence[np.ndarray]) -> None:
        self._pictures = list(pictures)

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, place: int) -> np.ndarray:
        return self._pictures[place]

    def take(self, places: Sequence[int]) -> list[np.ndarray]:
        return [self._pictures[place] for place in places]

    def shape(self, place: int) -> tuple[int, ...]:
        return self._pictures[place].shape

    def sizes(self) -> Sequence[tuple[int, ...]]:
        return [picture.shape for picture in self._pictures]

    def check(self, progress: Progress | None = None) -> None:
        del progress  # They were decoded to make the list.


def gather(pictures: Pictures, places: Sequence[int], windows: Sequence[Window] | None) -> np.ndarray:
    """Return the pictures at ``places``, each cut to its window, as one new array (n, ...)."""
    if isinstance(pictures, np.ndarray) and windows is None:
        return pictures[np.asarray(places, dtype=np.int64)]
    found = [pictures[place] for place in places] if isinstance(pictures, np.ndarray) else pictures.take(places)
    if windows is not None:
        found = [
            picture[..., top : top + high, left : left + wide] for picture, (top, left, high, wide) in zip(found, windows, strict=True)
        ]
    return np.stack(found)


def shape_of(pictures: Pictures, place: int) -> tuple[int, ...]:
    """Return the shape of the picture at ``place``."""
    return pictures.shape[1:] if isinstance(pictures, np.ndarray) else pictures.shape(place)


def signed(pixels: np.ndarray) -> Tensor:
    """Return 0..255 as float32 in [-1, 1]."""
    return torch.from_numpy(pixels.astype(np.float32)).div_(127.5).sub_(1)
