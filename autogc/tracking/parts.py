"""What scores are made of, such as the IoU of each class: a table a score, its parts beside the subnets."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autogc.files import replacing
from autogc.tracking.quantities import QUANTITIES, shown
from autogc.tracking.table import SubnetRow


@dataclass(frozen=True)
class PartsTable:
    """``title`` of a score; the ``subnets`` that it is known of; its parts, each with how it is shown for every subnet."""

    title: str
    subnets: tuple[str, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]


def parts_tables(rows: Sequence[SubnetRow]) -> list[PartsTable]:
    """Return a table for each score that has parts, in the order of the scores; parts in the order of the first row that has them."""
    found = []
    for score, quantity in QUANTITIES.items():
        having = [row for row in rows if row.details.get(score)]
        names = dict.fromkeys(name for row in having for name in row.details[score])
        lines = tuple((name, tuple(shown(score, row.details[score].get(name)) for row in having)) for name in names)
        if lines:
            found.append(PartsTable(quantity.title, tuple(row.name for row in having), lines))
    return found


def markdown_parts(rows: Sequence[SubnetRow]) -> str:
    """Return the tables in Markdown, one after another; empty where no score has parts."""
    texts = []
    for table in parts_tables(rows):
        lines = [(table.title, *table.subnets), ("---", *("---:" for _ in table.subnets)), *((name, *cells) for name, cells in table.lines)]
        # A class may be called anything.
        texts.append("".join("| " + " | ".join(text.replace("|", r"\|") for text in line) + " |\n" for line in lines))
    return "\n".join(texts)


def parts_csv(rows: Sequence[SubnetRow], path: str | Path) -> None:
    """Write every part of every subnet's scores as CSV: subnet, score, part, value."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["subnet", "score", "part", "value"])
        for row in rows:
            for score, parts in row.details.items():
                writer.writerows([row.name, score, part, value] for part, value in parts.items())
