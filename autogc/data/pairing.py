"""Which file belongs to which: pairs of images found by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autogc.data.threads import in_threads
from autogc.errors import DataError
from autogc.files import sha256_file

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
SHOWN = 3


@dataclass(frozen=True)
class Pair:
    """One sample's files."""

    stem: str
    input: Path
    target: Path


def find_pairs(inputs: Path, targets: Path, *, split: str) -> list[Pair]:
    """Return the pairs of two folders, by name; raises ``DataError`` when one is missing or empty, or a file has no partner."""
    by_stem = {folder: _by_stem(folder, split=split) for folder in (inputs, targets)}
    lonely = {
        inputs: sorted(set(by_stem[inputs]) - set(by_stem[targets])),
        targets: sorted(set(by_stem[targets]) - set(by_stem[inputs])),
    }
    if any(lonely.values()):
        said = "; ".join(f"{len(stems)} only in {folder}: {_few(stems)}" for folder, stems in lonely.items() if stems)
        raise DataError(f"{split}: files are paired by name without extension, and some have no partner: {said}")
    return [Pair(stem=stem, input=by_stem[inputs][stem], target=by_stem[targets][stem]) for stem in sorted(by_stem[inputs])]


def _by_stem(folder: Path, *, split: str) -> dict[str, Path]:
    if not folder.is_dir():
        beside = sorted(entry.name for entry in folder.parent.iterdir() if entry.is_dir()) if folder.parent.is_dir() else []
        there = f"; {folder.parent} has {_few(beside, shown=12)}" if beside else ""
        raise DataError(f"{split}: the folder {folder} does not exist{there}")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS and not path.name.startswith("."))
    if not files:
        raise DataError(f"{split}: the folder {folder} holds no images ({', '.join(EXTENSIONS)})")
    found: dict[str, Path] = {}
    for path in files:
        if path.stem in found:
            raise DataError(f"{split}: {found[path.stem]} and {path} have the same name without extension; keep one")
        found[path.stem] = path
    return found


def _few(names: Sequence[str], *, shown: int = SHOWN) -> str:
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")


def contents(pairs: Sequence[Pair]) -> list[list[str]]:
    """Return each pair's name and the hashes of its two files."""
    hashes = in_threads(_hashes, pairs)
    return [[pair.stem, *found] for pair, found in zip(pairs, hashes, strict=True)]


def _hashes(pair: Pair) -> tuple[str, str]:
    try:
        return sha256_file(pair.input), sha256_file(pair.target)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
