"""Tables of what pictures are: CelebA's lists (Liu et al., ICCV 2015), and the same as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autogc.errors import ConfigError, DataError, nearest

# What a table's cells may be: CelebA says -1 for no.
MEANINGS = {"1": 1, "-1": 0, "0": 0}
PARTS = {"0": "train", "1": "validation", "2": "test"}


def read_attributes(path: Path, columns: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return the file names of a table of attributes, and uint8 (N, len(columns)), 1 where the picture has the attribute.

    CelebA's format is the number of pictures, a line of attributes' names, then a line a picture: its file name, and 1 or -1 for each.
    With CSV the first line has the names, the first column the file names. Raises ``ConfigError`` for a column that isn't there,
    ``DataError`` for a table that is damaged.
    """
    header, rows = _rows(path)
    missing = [name for name in columns if name not in header]
    if missing:
        raise ConfigError([f"{path} has no attribute {name!r}: {nearest(name, header)}" for name in missing])
    places = [header.index(name) for name in columns]
    values = np.zeros((len(rows), len(columns)), np.uint8)
    for index, row in enumerate(rows):
        if len(row) != len(header) + 1:
            raise DataError(f"{path}: the line of {row[0]!r} has {len(row) - 1} values for {len(header)} attributes")
        for column, place in enumerate(places):
            if row[place + 1] not in MEANINGS:
                raise DataError(f"{path}: {columns[column]!r} of {row[0]!r} is {row[place + 1]!r}; it must be 1, 0 or -1")
            values[index, column] = MEANINGS[row[place + 1]]
    return [row[0] for row in rows], values


def read_partition(path: Path) -> dict[str, str]:
    """Return which split each file belongs to; the list (CelebA's list_eval_partition) has 0, 1 or 2 for train, validation and test."""
    found = {}
    for line in _lines(path):
        row = [cell.strip() for cell in line.split(",")] if "," in line else line.split()
        if len(row) == 2 and row[1] in PARTS:
            found[row[0]] = PARTS[row[1]]
        elif found:
            raise DataError(f"{path}: the line {line!r} must be a file name and 0 (train), 1 (validation) or 2 (test)")
    if not found:
        raise DataError(f"{path} has no lines of a file name and 0 (train), 1 (validation) or 2 (test)")
    return found


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the attributes' names, and a list a picture: file name and values."""
    lines = _lines(path)
    if path.suffix.lower() == ".csv":
        cells = [[cell.strip() for cell in row] for row in csv.reader(lines)]
        header, rows = cells[0][1:] if cells else [], cells[1:]
    else:
        counted = bool(lines) and lines[0].strip().isdigit()
        header = lines[counted].split() if len(lines) > counted else []
        rows = [line.split() for line in lines[counted + 1 :]]
        if counted and len(rows) != int(lines[0]):
            raise DataError(f"{path} says that it has {lines[0].strip()} pictures and has {len(rows)} lines of them")
    if not header or not rows:
        raise DataError(f"{path} is no table of attributes: CelebA's format has a count, a line of names, then a line a picture")
    return header, rows


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from error
