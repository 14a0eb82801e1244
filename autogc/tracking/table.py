"""The table that a run ends with: subnets beside the teacher, with how many times less each costs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autogc.files import replacing
from autogc.tracking.quantities import QUANTITIES, shown

if TYPE_CHECKING:
    from autogc.search.ledger import Evaluation

TEACHER = "teacher"


@dataclass(frozen=True)
class SubnetRow:
    """One generator of the table: ``scores`` by the names of their metrics, costs, None for what was not measured.

    ``macs_published`` counts transposed convolutions at their output positions, as the papers do. ``latency_spread_ms`` is the
    spread beside the median ``latency_ms``, ``latency_busy`` the share of the machine, in [0, 1], that others used meanwhile, where that
    disturbed it. ``intervals`` are (lower, upper) around scores, ``details`` what a score is made of, by its name: where there are any.
    The row named ``teacher`` is what the others are compared with.
    """

    name: str
    scores: Mapping[str, float] = field(default_factory=dict)
    macs: float | None = None
    macs_published: float | None = None
    bops: float | None = None
    params: float | None = None
    storage_bytes: float | None = None
    peak_activation_bytes: float | None = None
    latency_ms: float | None = None
    latency_spread_ms: float | None = None
    latency_busy: float | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def values(self) -> dict[str, float]:
        """Return what is known of the scores and costs, by name."""
        known = {**asdict(self), **self.scores}
        return {name: known[name] for name in QUANTITIES if known.get(name) is not None}

    @classmethod
    def of(cls, name: str, values: Mapping[str, Any]) -> SubnetRow:
        """Return the row of what ``values`` say by name, scores and costs beside each other; what is neither is left out."""
        known = {key: float(value) for key, value in values.items() if value is not None and key in QUANTITIES}
        scores = {key: value for key, value in known.items() if QUANTITIES[key].is_score}
        costs = {key: value for key, value in known.items() if key not in scores}
        spread, busy = values.get("latency_spread_ms"), values.get("latency_busy")
        return cls(name=name, scores=scores, latency_spread_ms=spread, latency_busy=busy, **costs)  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON-ready data."""
        intervals = {name: list(ends) for name, ends in self.intervals.items()}
        details = {name: dict(parts) for name, parts in self.details.items()}
        return {**asdict(self), "scores": dict(self.scores), "intervals": intervals, "details": details}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SubnetRow:
        """Read what ``to_json`` gave, or a row of a run whose scores stood beside its costs."""
        row = cls.of(data["name"], {**data, **data.get("scores", {})})
        intervals = {name: (float(lower), float(upper)) for name, (lower, upper) in data.get("intervals", {}).items()}
        return replace(row, intervals=intervals, details=data.get("details", {}))


def cell(row: SubnetRow, column: str, *, teacher: SubnetRow | None = None) -> str:
    """Return a value as the table shows it, costs with their ratio to the teacher's: ``5.68 G (8.7x)`` is 8.7 times fewer."""
    value = row.values().get(column)
    text = shown(column, value)
    if column in row.intervals:
        lower, upper = (shown(column, end) for end in row.intervals[column])
        return f"{text} ({lower} to {upper})"
    if column == "latency_ms" and value is not None and row.latency_spread_ms is not None:
        digits = ".2g" if row.latency_spread_ms < 100 else ".0f"
        text = text.replace(" ms", f" ± {row.latency_spread_ms:{digits}} ms")
    whole = teacher.values().get(column) if teacher is not None and teacher is not row else None
    if QUANTITIES[column].is_score or not value or not whole:
        return text
    return f"{text} ({whole / value:.1f}x)"


def teacher_of(rows: Sequence[SubnetRow]) -> SubnetRow | None:
    """Return the teacher's row, or None."""
    return next((row for row in rows if row.name == TEACHER), None)


def columns_of(rows: Sequence[SubnetRow]) -> list[str]:
    """Return the columns that at least one row has a value for."""
    return [column for column in QUANTITIES if any(column in row.values() for row in rows)]


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
