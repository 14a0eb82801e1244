"""The image grid: what went in, the real picture where there is one, and what generators make of it, as one PNG."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from autogc.files import replacing

INK, SOFT, PAPER, UNLABELLED = (31, 41, 51), (82, 96, 109), (255, 255, 255), (40, 40, 40)
CELL, GAP, MARGIN = 208, 8, 16  # pixels: the least width of a picture, between pictures, around everything
TITLE, TEXT = 16, 13  # font sizes
GOLDEN = 0.61803398875  # steps of the golden ratio keep neighbouring hues apart, however many there are


@dataclass(frozen=True)
class Column:
    """A column's header: a title, and lines under it in smaller print."""

    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class GridRow:
    """One sample: ``input`` (C, h, w), None where it is nothing to look at, and ``images``, one size (1 or 3, H, W), all in [-1, 1].

    The ``caption`` is what is asked for, in words, and stands under the input.
    """

    name: str
    input: Tensor | None
    images: tuple[Tensor, ...]
    caption: str = ""


def image_grid(rows: Sequence[GridRow], path: str | Path, *, columns: Sequence[Column], class_names: Sequence[str] = ()) -> None:
    """Write the grid as a PNG: a column for the inputs, if any, then one for each of ``columns``; a row for each sample.

    Small pictures are enlarged by a whole factor, so that their pixels stay what they are; an input of a lower resolution takes the size of
    its row's images, and rows may be of different sizes. An input that is a one-hot label map is drawn in colours, explained underneath
    when ``class_names`` are given; a channel past the last class is unlabelled.
    """
    assert rows and all(len(row.images) == len(columns) for row in rows)
    has_inputs = any(row.input is not None for row in rows)
    headers = [Column("input"), *columns] if has_inputs else list(columns)
    sizes = [_enlarged_size(row.images[0]) for row in rows]
    width = max(size[0] for size in sizes)
    title, text = ImageFont.load_default(size=TITLE), ImageFont.load_default(size=TEXT)
    title_height, line_height = TITLE + 6, TEXT + 5
    head = title_height + max(len(column.lines) for column in headers) * line_height + GAP
    foot = line_height if any(row.caption for row in rows) else 0
    total_width = 2 * MARGIN + len(headers) * (width + GAP) - GAP
    shows_labels = bool(class_names) and all(row.input is not None and is_one_hot(row.input) for row in rows)
    legend = _legend(class_names, width=total_width - 2 * MARGIN, font=text) if shows_labels else None
    bodies = sum(height + foot + GAP for _, height in sizes) - GAP
    total_height = 2 * MARGIN + head + bodies + (GAP + legend.height if legend else 0)
    canvas = Image.new("RGB", (total_width, total_height), PAPER)
    draw = ImageDraw.Draw(canvas)
    for index, column in enumerate(headers):
        left = MARGIN + index * (width + GAP)
        draw.text((left, MARGIN), _fitted(column.title, width=width, font=title), font=title, fill=INK)
        for number, line in enumerate(column.lines):
            place = (left, MARGIN + title_height + number * line_height)
            draw.text(place, _fitted(line, width=width, font=text), font=text, fill=SOFT)
    top = MARGIN + head
    for row, size in zip(rows, sizes, strict=True):
        pictures = [picture(image) for image in row.images]
        if has_inputs:
            pictures.insert(0, _input_cell(row.input, size=size, classes=len(class_names) or None))
        for number, small in enumerate(pictures):
            canvas.paste(small.resize(size, Image.Resampling.NEAREST), (MARGIN + number * (width + GAP), top))
        if row.caption:
            room = width if has_inputs else total_width - 2 * MARGIN
            draw.text((MARGIN, top + size[1] + 2), _fitted(row.caption, width=room, font=text), font=text, fill=SOFT)
        top += size[1] + foot + GAP
    if legend:
        canvas.paste(legend, (MARGIN, total_height - MARGIN - legend.height))
    with replacing(path) as beside:
        canvas.save(beside, format="PNG")


def _enlarged_size(image: Tensor) -> tuple[int, int]:
    """Return the width and height that a picture (C, H, W) is drawn at."""
    factor = max(1, math.ceil(CELL / image.shape[-1]))
    return image.shape[-1] * factor, image.shape[-2] * factor


def _input_cell(image: Tensor | None, *, size: tuple[int, int], classes: int | None) -> Image.Image:
    return Image.new("RGB", size, PAPER) if image is None else input_picture(image, classes=classes)


def picture(image: Tensor) -> Image.Image:
    """Return an image (3, H, W) or (1, H, W) in [-1, 1] as 8-bit RGB; what lies outside is clamped, NaN is drawn black."""
    scaled = torch.nan_to_num((image.detach().float().cpu() + 1) * 127.5, nan=0.0).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(scaled.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())


def input_picture(image: Tensor, *, classes: int | None = None) -> Image.Image:
    """Return an input as a picture: label maps in colours, photographs and greyscale as they are, else the strongest channel's colour."""
    channels = image.shape[0]
    if channels in (1, 3) and not is_one_hot(image):
        return picture(image)
    colours = torch.tensor(palette(classes or channels) + [UNLABELLED] * max(0, channels - (classes or channels)), dtype=torch.uint8)
    return Image.fromarray(colours[image.detach().cpu().argmax(dim=0)].numpy())


def is_one_hot(image: Tensor) -> bool:
    """Tell whether each pixel of (C, H, W) has exactly one channel at 1 and the others at -1."""
    high = image == 1
    return image.shape[0] > 1 and bool((high | (image == -1)).all()) and bool((high.sum(dim=0) == 1).all())


def palette(count: int) -> list[tuple[int, int, int]]:
    """Return ``count`` colours (0..255), apart in hue and alternating in lightness; a class keeps its colour whatever the count."""
    colours = []
    for index in range(count):
        hue, lightness = (0.58 + index * GOLDEN) % 1.0, (0.45, 0.68, 0.32)[index % 3]
        red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.62)
        colours.append((round(red * 255), round(green * 255), round(blue * 255)))
    return colours


def _fitted(text: str, *, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _legend(class_names: Sequence[str], *, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    places, left, line, swatch = [], 0, 0, TEXT
    for name in class_names:
        needed = swatch + 5 + math.ceil(font.getlength(name)) + 16
        if left and left + needed > width:
            left, line = 0, line + 1
        places.append((left, line * (TEXT + 8)))
        left += needed
    image = Image.new("RGB", (width, (line + 1) * (TEXT + 8)), PAPER)
    draw = ImageDraw.Draw(image)
    for (x, y), name, colour in zip(places, class_names, palette(len(class_names)), strict=True):
        draw.rectangle((x, y + 3, x + swatch, y + 3 + swatch), fill=colour)
        draw.text((x + swatch + 5, y), name, font=font, fill=SOFT)
    return image
