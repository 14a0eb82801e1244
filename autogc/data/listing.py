"""Which pictures a folder holds, what they are, and which of them are held out."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from PIL import Image

from autogc.data.arguments import Problems
from autogc.data.decode import TURNED, UNREADABLE
from autogc.data.threads import in_threads
from autogc.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
# Modes of Pillow, by what is to be said of them.
GREY = ("1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L")
KINDS = {
    "grey": lambda one: is_grey(one),
    "16-bit": lambda one: one.mode.startswith("I"),
    "palette": lambda one: one.mode in ("P", "PA"),
    "transparent": lambda one: one.transparent,
    "CMYK": lambda one: one.mode == "CMYK",
    "turned by EXIF": lambda one: one.turned,
}
SHOWN = 3

Item = TypeVar("Item")


class Scanned(NamedTuple):
    """What is known of a file without decoding it. ``mode`` is empty where it has no image's header."""

    sha256: str
    mode: str
    transparent: bool
    turned: bool


def is_grey(one: Scanned) -> bool:
    return one.mode in GREY


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def pictures_in(folder: Path, *, problems: Problems, what: str) -> list[Path]:
    """Return the folder's pictures by name; where there are none, note it and return an empty list."""
    if not folder.is_dir():
        problems.missing(f"{what}: the folder {folder} does not exist{beside(folder)}")
        return []
    found = sorted(path for path in folder.iterdir() if is_picture(path))
    if not found:
        problems.missing(f"{what}: the folder {folder} holds no images ({', '.join(EXTENSIONS)})")
    return found


def beside(folder: Path) -> str:
    """Return the end of a message: which folders there are where ``folder`` is not."""
    there = sorted(entry.name for entry in folder.parent.iterdir() if entry.is_dir()) if folder.parent.is_dir() else []
    return f"; {folder.parent} has {few(there, shown=12)}" if there else ""


def few(names: Sequence[str], *, shown: int = SHOWN) -> str:
    """Return the first names, for a message."""
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def hold_out(items: Sequence[Item], count: int, *, seed: int, key: Callable[[Item], str]) -> tuple[list[Item], list[Item]]:
    """Return ``items`` without ``count`` of them, and those, both in their order.

    Which ones depends on the seed and on each item's ``key`` alone, so that another picture in the folder changes one place at most.
    """
    order = sorted(range(len(items)), key=lambda place: hashlib.sha256(f"{seed}:{key(items[place])}".encode()).digest())
    held = set(order[:count])
    return [item for place, item in enumerate(items) if place not in held], [items[place] for place in sorted(held)]


def scan(files: Sequence[Path]) -> list[Scanned]:
    """Return what is known of each file; raises ``DataError`` for one that cannot be read."""
    return in_threads(_scanned, files)


def said(scanned: Sequence[Scanned]) -> str:
    """Return what is special about the files, such as ``grey: 3 of 90``; empty where nothing is."""
    counts = Counter(name for one in scanned for name, is_so in KINDS.items() if is_so(one))
    return ", ".join(f"{name}: {counts[name]} of {len(scanned)}" for name in KINDS if counts[name])


def described(*parts: str) -> str:
    """Return a description of the parts that are not empty."""
    return "; ".join(part for part in parts if part)


def listed(files: Sequence[Path], scanned: Sequence[Scanned]) -> list[list[str]]:
    """Return each file's name and hash: what a fingerprint is made of."""
    return [[path.stem, one.sha256] for path, one in zip(files, scanned, strict=True)]


def _scanned(path: Path) -> Scanned:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()
    try:
        with Image.open(io.BytesIO(content)) as image:
            transparent = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
            return Scanned(digest, image.mode, transparent, image.getexif().get(TURNED, 1) != 1)
    except UNREADABLE:
        return Scanned(digest, "", False, False)  # Decoding it will say what is wrong.
