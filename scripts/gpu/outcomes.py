"""What came of a check, as a line, a row of the table, and data."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """``why`` says what failed or why it was skipped, else what was found, in a line; ``details`` are the numbers, JSON-ready."""

    check: str
    state: State
    seconds: float
    why: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """Return it in one line."""
        return f"{self.state:8} {self.check} ({self.seconds:.1f} s): {self.why}"


def table(outcomes: Sequence[Outcome]) -> str:
    """Return a table of all outcomes, and a sentence below it."""
    width = max((len(one.check) for one in outcomes), default=5)
    rows = [f"{'check':{width}}  {'result':8}  {'seconds':>8}  what"]
    rows += [f"{one.check:{width}}  {one.state:8}  {one.seconds:8.1f}  {one.why}" for one in outcomes]
    counts = {state: sum(one.state == state for one in outcomes) for state in ("passed", "failed", "skipped")}
    took = sum(one.seconds for one in outcomes)
    return "\n".join([*rows, "", f"{', '.join(f'{count} {state}' for state, count in counts.items())}, in {took:.0f} s"])


def write_json(path: Path, outcomes: Sequence[Outcome], settings: Mapping[str, Any]) -> None:
    """Write the results beside ``path`` and rename them."""
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    data = {"settings": dict(settings), "machine": machine, "checks": [asdict(one) for one in outcomes]}
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    beside.replace(path)
