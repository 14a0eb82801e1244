"""What is made of one image file: a picture, a label map, the borders between instances, a large or a small picture. Each is plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from autogc.data.decode import as_picture, open_image, pixels_of, size_of, whole_numbers
from autogc.errors import DataError

# The largest label value that a table has room for, and one more.
VALUES = 256


class Reader(Protocol):
    """Makes uint8 (C, H, W) or (H, W) of a file. It pickles."""

    def of(self, image: Image.Image, *, path: Path) -> np.ndarray:
        """Return what is made of the decoded ``image``; ``path`` is for messages."""

    def shape(self, path: Path) -> tuple[int, ...]:
        """Return the shape of what is made of a file, decoding nothing."""

    @property
    def fixed(self) -> tuple[int, ...] | None:
        """The shape, where every file gives the same."""


def read(reader: Reader, path: Path) -> np.ndarray:
    """Return what ``reader`` makes of a file; raises ``DataError``, naming it."""
    return reader.of(open_image(path), path=path)


@dataclass(frozen=True)
class Photo:
    """A picture (3, height, width), or (1, height, width) where ``grey``, resized by Lanczos.

    Before that ``half`` takes the left (0) or the right (1) half, and ``centre`` cuts the square of so many pixels out of the middle.
    """

    height: int
    width: int
    grey: bool = False
    half: int | None = None
    centre: int | None = None

    def of(self, image: Image.Image, *, path: Path) -> np.ndarray:
        picture = as_picture(image, path=path, grey=self.grey)
        if self.half is not None:
            if picture.width % 2:
                raise DataError(f"{path} is {picture.width} pixels wide: two pictures of one size side by side have an even width")
            middle = picture.width // 2
            picture = picture.crop((self.half * middle, 0, (self.half + 1) * middle, picture.height))
        if self.centre is not None:
            left, top = (picture.width - self.centre) // 2, (picture.height - self.centre) // 2
            if left < 0 or top < 0:
                raise DataError(f"{path} is {picture.width}x{picture.height} pixels, smaller than the crop of {self.centre}")
            picture = picture.crop((left, top, left + self.centre, top + self.centre))
        if picture.size != (self.width, self.height):
            picture = picture.resize((self.width, self.height), Image.Resampling.LANCZOS)
        return pixels_of(picture)

    def shape(self, path: Path) -> tuple[int, ...]:
        return self.fixed

    @property
    def fixed(self) -> tuple[int, int, int]:
        return (1 if self.grey else 3, self.height, self.width)


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label map (height, width), resized by the nearest pixel, or at its file's own size where those are None.

    ``classes`` (256,) is what a file's values mean (``label_table``).
    """

    height: int | None
    width: int | None
    classes: np.ndarray

    def of(self, image: Image.Image, *, path: Path) -> np.ndarray:
        values = whole_numbers(image, path=path)
        known = (values >= 0) & (values < VALUES)
        labels = np.where(known, self.classes[np.where(known, values, 0)], -1)
        if (labels < 0).any():
            first = int(values[labels < 0][0])
            accepted = np.flatnonzero(self.classes >= 0)
            raise DataError(f"{path} holds the label value {first}: accepted are {accepted.min()}..{accepted.max()}")
        if self.height is None or self.width is None:
            return labels.astype(np.uint8)
        small = Image.fromarray(labels.astype(np.uint8))
        return np.array(small.resize((self.width, self.height), Image.Resampling.NEAREST))

    def shape(self, path: Path) -> tuple[int, ...]:
        return size_of(path) if self.fixed is None else self.fixed

    @property
    def fixed(self) -> tuple[int, int] | None:
        return None if self.height is None or self.width is None else (self.height, self.width)


@dataclass(frozen=True)
class InstanceBorders:
    """1 (height, width) at the pixels of an instance map that have a neighbour of another instance (Wang et al., CVPR 2018, section 3.3).

    A file holds whole numbers, of 8, 16 or 32 bits, that differ between instances; they are resized by the nearest pixel.
    """

    height: int
    width: int

    def of(self, image: Image.Image, *, path: Path) -> np.ndarray:
        values = Image.fromarray(whole_numbers(image, path=path).astype(np.int32))
        instances = np.asarray(values.resize((self.width, self.height), Image.Resampling.NEAREST))
        borders = np.zeros(instances.shape, np.uint8)
        down, right = instances[1:] != instances[:-1], instances[:, 1:] != instances[:, :-1]
        borders[1:] |= down
        borders[:-1] |= down
        borders[:, 1:] |= right
        borders[:, :-1] |= right
        return borders

    def shape(self, path: Path) -> tuple[int, ...]:
        return self.fixed

    @property
    def fixed(self) -> tuple[int, ...]:
        return (self.height, self.width)


@dataclass(frozen=True)
class LargePicture:
    """A picture (3, H, W) at its own size, cut at the bottom and the right to a multiple of ``scale``.

    ``reduced``: that picture made ``scale`` times smaller, by bicubic interpolation over all pixels that a new one covers (antialiased).
    """

    scale: int
    reduced: bool = False

    def of(self, image: Image.Image, *, path: Path) -> np.ndarray:
        picture = as_picture(image, path=path, grey=False)
        width, height = (size // self.scale * self.scale for size in picture.size)
        if not width or not height:
            raise DataError(f"{path} is {picture.width}x{picture.height} pixels: too small for scale {self.scale}")
        picture = picture.crop((0, 0, width, height))
        if self.reduced:
            picture = picture.resize((width // self.scale, height // self.scale), Image.Resampling.BICUBIC)
        return pixels_of(picture)

    def shape(self, path: Path) -> tuple[int, ...]:
        height, width = (size // self.scale * (1 if self.reduced else self.scale) for size in size_of(path))
        return (3, height, width)

    @property
    def fixed(self) -> None:
        return None


@dataclass(frozen=True)
class TopLeft:
    """A picture (3, H, W), or (1, H, W) where ``grey``, at its own size, of which at most ``largest`` pixels a side are kept."""

    largest: int | None = None
    grey: bool = False

    def of(self, image: Image.Image, *, path: Path) -> np.ndarray:
        picture = pixels_of(as_picture(image, path=path, grey=self.grey))
        return np.ascontiguousarray(picture[:, : self.largest, : self.largest])

    def shape(self, path: Path) -> tuple[int, ...]:
        return (1 if self.grey else 3, *(min(size, self.largest or size) for size in size_of(path)))

    @property
    def fixed(self) -> None:
        return None
