"""How long work says where it is, without knowing who is looking: a terminal, a notebook, nobody."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told by long work; shown by ``cli``."""

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        """Begin (or resume, at ``done``) a task of ``total`` units, and make it the current one."""

    def update(self, done: int, **figures: float) -> None:
        """Say that ``done`` units of the current task are finished, with figures worth seeing (losses, scores)."""

    def note(self, text: str) -> None:
        """Say one line that should stay visible."""


class Silent:
    """A Progress that says nothing."""

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        del task, total, done

    def update(self, done: int, **figures: float) -> None:
        del done, figures

    def note(self, text: str) -> None:
        del text
