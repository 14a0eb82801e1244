"""The losses of a training, as means over windows of steps, kept in its checkpoints so that a resumed one has the same history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class History:
    """``rows``: one dict a window, with ``step`` (how many were done at its end) and each figure's mean over it."""

    def __init__(self, *, every: int) -> None:
        self.rows: list[dict[str, float]] = []
        self._every = every
        self._count = 0
        self._sums: dict[str, float] = {}

    def add(self, step: int, figures: Mapping[str, float], *, last: bool) -> dict[str, float] | None:
        """Count the figures of the step after which ``step`` are done; return the window's row if it ends there."""
        self._count += 1
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        if step % self._every and not last:
            return None
        row = {"step": step} | {name: total / self._count for name, total in self._sums.items()}
        self.rows.append(row)
        self._count, self._sums = 0, {}
        return row

    def to_json(self) -> dict[str, Any]:
        """Return all of it, an open window too, as JSON-ready data."""
        return {"rows": self.rows, "count": self._count, "sums": self._sums}

    def restore(self, data: Mapping[str, Any]) -> None:
        """Put back what ``to_json`` gave."""
        self.rows, self._count, self._sums = list(data["rows"]), data["count"], dict(data["sums"])
