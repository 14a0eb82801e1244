"""What a finished run has to show, as data: read back from the run directory by whoever wants to see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autogc.files import read_json, write_json
from autogc.tracking.table import SubnetRow

REPORT = "report.json"


@dataclass(frozen=True)
class Report:
    """The final table. Scores are of the test split, latencies measured end to end on the device that ``latency`` names.

    ``rows``: the teacher, the chosen subnet out of the supernet and after fine-tuning, and for super-resolution bicubic enlargement;
    in imitation the first three against the truth too, where there is one.
    ``front``: every member, by its hash. ``notes`` say what judged, on what; ``chosen`` is the directory of the fine-tuned package.
    """

    experiment: str
    rows: tuple[SubnetRow, ...]
    front: tuple[SubnetRow, ...]
    chosen: str
    notes: tuple[str, ...] = ()
    made_from: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the report as JSON, whole or not at all."""
        tables = {name: [row.to_json() for row in getattr(self, name)] for name in ("rows", "front")}
        write_json(path, {**asdict(self), **tables})

    @classmethod
    def of(cls, run_directory: Path) -> Report:
        """Read a run directory's report."""
        found = read_json(run_directory / "report" / REPORT)
        rows, front = (tuple(SubnetRow.from_json(row) for row in found[name]) for name in ("rows", "front"))
        # A run directory may have been moved, or named from another directory, since the report was written.
        chosen = run_directory / "finetune" / Path(found["chosen"]).name
        return cls(**{**found, "rows": rows, "front": front, "notes": tuple(found["notes"]), "chosen": str(chosen)})
