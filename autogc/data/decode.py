"""Reading one image file: photographs of any mode, and label maps. Whatever is wrong with a file, the error names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from autogc.data.samples import IGNORE_INDEX
from autogc.errors import DataError

# What Pillow raises for files that are cut off, of another kind, or too large to be meant.
UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def read_photo(path: Path, *, height: int, width: int) -> np.ndarray:
    """Return a picture as uint8 (3, height, width): grey repeated, palettes looked up, transparency over white, resized by Lanczos."""
    image = _opened(path)
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_eight_bits(np.asarray(image), path=path))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def read_labels(path: Path, *, height: int, width: int, classes: np.ndarray) -> np.ndarray:
    """Return a label map as uint8 (height, width), resized by the nearest pixel.

    ``classes`` (256,) maps a file's value to a class, to ``IGNORE_INDEX``, or to -1 where it is no label at all. Palette images give
    their indices, not their colours.
    """
    image = _opened(path)
    values = np.asarray(image)
    if values.ndim == 3:
        colours = values[..., :1] if image.mode == "LA" else values[..., :3]
        if (colours != colours[..., :1]).any():
            raise DataError(f"{path} is a colour image ({image.mode}): a label map holds one class index a pixel (grey or palette)")
        values = colours[..., 0]
    values = values.astype(np.int64)
    known = (values >= 0) & (values < len(classes))
    labels = np.where(known, classes[np.where(known, values, 0)], -1)
    if (labels < 0).any():
        first = int(values[labels < 0][0])
        accepted = np.flatnonzero(classes >= 0)
        raise DataError(f"{path} holds the label value {first}: accepted are {accepted.min()}..{accepted.max()}")
    small = Image.fromarray(labels.astype(np.uint8))
    return np.array(small.resize((width, height), Image.Resampling.NEAREST))


def label_table(values: list[int], ignored: int | None) -> np.ndarray:
    """Return the table for ``read_labels``: the file's ``values`` become classes 0, 1, ..., the ``ignored`` one ``IGNORE_INDEX``."""
    table = np.full(256, -1, np.int64)
    for index, value in enumerate(values):
        table[value] = index
    if ignored is not None:
        table[ignored] = IGNORE_INDEX
    return table


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be decoded as an image ({error}): replace it, or remove it with its partner") from error


def _eight_bits(values: np.ndarray, *, path: Path) -> np.ndarray:
    """Return 16-bit grey as 8-bit; what is neither would need to say its range."""
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        raise DataError(f"{path} holds pixel values of type {values.dtype}: use 8- or 16-bit images")
    return (values.astype(np.float64) / 257).round().astype(np.uint8)
