"""``history.json`` of a watch: what every look found, whole at any moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autogc.files import read_json, write_json

# Of the stage's directory.
DIRECTORY, HISTORY = "watch", "history.json"


class Record:
    """Looks by step, in ``directory/history.json`` beside their drawings; ``about`` says what they are of.

    A record of other things (another training, other images or subnets) is begun anew, and its drawings are removed.
    """

    def __init__(self, directory: Path, *, about: Mapping[str, Any]) -> None:
        self.directory = directory
        self._about = json.loads(json.dumps(about))
        self._rows: dict[int, dict[str, Any]] = {}
        try:
            found = read_json(directory / HISTORY)
            rows = found.pop("rows")
            if found == self._about:
                self._rows = {row["step"]: row for row in rows}
        except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
            pass  # there is none yet, or one that can't be gone on with
        if not self._rows:
            for drawing in directory.glob("*.png"):
                drawing.unlink()

    def at(self, step: int) -> dict[str, Any] | None:
        """Return the look at ``step``, if it was taken and its drawing is there."""
        return self._rows.get(step) if self.drawing(step).is_file() else None

    def drawing(self, step: int) -> Path:
        """Return where the drawing of a step is."""
        return self.directory / f"{step}.png"

    def keep(self, step: int, row: Mapping[str, Any]) -> None:
        """Write a look down, in the place of one at the same step."""
        self._rows[step] = {"step": step, **row}
        write_json(self.directory / HISTORY, {**self._about, "rows": [self._rows[key] for key in sorted(self._rows)]})
