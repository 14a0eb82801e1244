"""Progress that MLflow sees too: the figures of a stage become curves on the parent run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autogc.progress import Progress

if TYPE_CHECKING:
    from autogc.tracking import Tracker


class TrackedProgress:
    """Passes everything on to ``progress``, and figures also to ``tracker`` as curves named ``stage/figure`` over steps.

    PNGs that the stage leaves in the directory ``drawings`` become artifacts under ``stage/NAME``, NAME being the directory's, as soon as
    figures follow them.
    """

    def __init__(self, progress: Progress, tracker: Tracker, *, stage: str, drawings: Path | None = None) -> None:
        self._progress = progress
        self._tracker = tracker
        self._stage = stage
        self._drawings = drawings
        self._sent: set[Path] = set()

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        self._progress.start(task, total=total, done=done)

    def update(self, done: int, **figures: float) -> None:
        self._progress.update(done, **figures)
        if figures:
            self._tracker.metrics(self._stage, done, figures)
            self._send_drawings()

    def note(self, text: str) -> None:
        self._progress.note(text)

    def _send_drawings(self) -> None:
        if self._drawings is None:
            return
        for path in sorted(set(self._drawings.glob("[!.]*.png")) - self._sent):
            self._tracker.artifact(path, under=f"{self._stage}/{self._drawings.name}")
            self._sent.add(path)
