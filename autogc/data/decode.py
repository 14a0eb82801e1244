"""Opening one image file, whatever its mode. Whatever is wrong with a file, the error names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from autogc.data.samples import IGNORE_INDEX
from autogc.errors import DataError

# What Pillow raises for files that are cut off, of another kind, or too large to be meant.
UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
TURNED = 0x0112  # the EXIF tag that says how the camera was held
SIDEWAYS = (5, 6, 7, 8)


def open_image(path: Path) -> Image.Image:
    """Return the decoded image, upright. Raises ``DataError`` for a file that cannot be decoded."""
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be decoded as an image ({error}): replace it, or remove it with its partner") from error


def size_of(path: Path) -> tuple[int, int]:
    """Return (height, width) of the upright image; only its header is read."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            return (width, height) if image.getexif().get(TURNED) in SIDEWAYS else (height, width)
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be decoded as an image ({error}): replace it, or remove it with its partner") from error


def as_picture(image: Image.Image, *, path: Path, grey: bool) -> Image.Image:
    """Return the image as 8-bit RGB, or grey: 16 bits rounded, grey repeated, palettes looked up, transparency over white."""
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_eight_bits(np.asarray(image), path=path))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if grey else "RGB")


def pixels_of(picture: Image.Image) -> np.ndarray:
    """Return an RGB or grey picture as uint8 (3 or 1, height, width)."""
    values = np.asarray(picture)
    return np.ascontiguousarray(values[None] if values.ndim == 2 else values.transpose(2, 0, 1))


def whole_numbers(image: Image.Image, *, path: Path) -> np.ndarray:
    """Return what an image holds at each pixel, int64 (height, width): grey values, or a palette's indices, not its colours."""
    values = np.asarray(image)
    if values.ndim == 3:
        colours = values[..., :1] if image.mode == "LA" else values[..., :3]
        if (colours != colours[..., :1]).any():
            raise DataError(f"{path} is a colour image ({image.mode}): a label map holds one class index a pixel (grey or palette)")
        values = colours[..., 0]
    if values.dtype.kind == "f":
        raise DataError(f"{path} holds pixel values of type {values.dtype}: a label map holds whole numbers")
    return values.astype(np.int64)


def label_table(values: list[int], ignored: int | None) -> np.ndarray:
    """Return the table (256,) of a label file's values: the ``values`` become classes 0, 1, ..., the ``ignored`` one ``IGNORE_INDEX``.

    All others are -1: no label at all.
    """
    table = np.full(256, -1, np.int64)
    for index, value in enumerate(values):
        table[value] = index
    if ignored is not None:
        table[ignored] = IGNORE_INDEX
    return table


def _eight_bits(values: np.ndarray, *, path: Path) -> np.ndarray:
    """Return 16-bit grey as 8-bit; what is neither would need to say its range."""
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        raise DataError(f"{path} holds pixel values of type {values.dtype}: use 8- or 16-bit images")
    return (values.astype(np.float64) / 257).round().astype(np.uint8)
