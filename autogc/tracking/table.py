"""The table that a run ends with: subnets beside the teacher, with how many times less each costs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autogc.files import replacing
from autogc.tracking.quantities import QUANTITIES, shown

if TYPE_CHECKING:
    from autogc.search.ledger import Evaluation

TEACHER = "teacher"
COLUMNS = ("fid", "miou", "macs", "macs_published", "params", "storage_bytes", "latency_ms")


@dataclass(frozen=True)
class SubnetRow:
    """One generator of the table. What was not measured is None. Scores: FID less is better, mIoU (0 to 1) more is better.

    ``macs_published`` counts transposed convolutions at their output positions, as the papers do. ``latency_spread_ms`` is the
    spread beside the median ``latency_ms``. The row named ``teacher`` is what the others are compared with.
    """

    name: str
    fid: float | None = None
    miou: float | None = None
    macs: float | None = None
    macs_published: float | None = None
    params: float | None = None
    storage_bytes: float | None = None
    latency_ms: float | None = None
    latency_spread_ms: float | None = None

    def values(self) -> dict[str, float]:
        """Return what is known of the scores and costs, by name."""
        return {name: value for name, value in asdict(self).items() if name in COLUMNS and value is not None}


def cell(row: SubnetRow, column: str, *, teacher: SubnetRow | None = None) -> str:
    """Return a value as the table shows it, costs with their ratio to the teacher's: ``5.68 G (8.7x)`` is 8.7 times fewer."""
    value = row.values().get(column)
    text = shown(column, value)
    if column == "latency_ms" and value is not None and row.latency_spread_ms is not None:
        text = text.replace(" ms", f" ± {row.latency_spread_ms:.2g} ms")
    whole = teacher.values().get(column) if teacher is not None and teacher is not row else None
    if QUANTITIES[column].judged or not value or not whole:
        return text
    return f"{text} ({whole / value:.1f}x)"


def teacher_of(rows: Sequence[SubnetRow]) -> SubnetRow | None:
    """Return the teacher's row, or None."""
    return next((row for row in rows if row.name == TEACHER), None)


def columns_of(rows: Sequence[SubnetRow]) -> list[str]:
    """Return the columns that at least one row has a value for."""
    return [column for column in COLUMNS if any(column in row.values() for row in rows)]


def markdown_table(rows: Sequence[SubnetRow]) -> str:
    """Return the rows as a Markdown table, in their order, costs with their ratio to the teacher's."""
    columns, teacher = columns_of(rows), teacher_of(rows)
    lines = [
        "| subnet | " + " | ".join(QUANTITIES[column].title for column in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for row in rows:
        lines.append(f"| {row.name} | " + " | ".join(cell(row, column, teacher=teacher) for column in columns) + " |")
    return "\n".join(lines) + "\n"


def front_csv(members: Sequence[Evaluation], path: str | Path) -> None:
    """Write the members of the front as CSV: hash, trial, scores, costs, seed and every decision, in the order given."""
    scores, costs, decisions = (
        list(dict.fromkeys(name for member in members for name in getattr(member, part))) for part in ("scores", "costs", "genotype")
    )
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["hash", "trial", *scores, *costs, "seed", *decisions])
        for member in members:
            values = [member.scores.get(name) for name in scores] + [member.costs.get(name) for name in costs]
            choices = [member.genotype.get(name) for name in decisions]
            writer.writerow([member.candidate.hash, member.trial, *values, member.seed, *choices])
