"""Progress that MLflow sees too: the figures of a stage become curves on the parent run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogc.progress import Progress

if TYPE_CHECKING:
    from autogc.tracking import Tracker


class TrackedProgress:
    """Passes everything on to ``progress``, and figures also to ``tracker`` as curves named ``stage/figure`` over steps."""

    def __init__(self, progress: Progress, tracker: Tracker, *, stage: str) -> None:
        self._progress = progress
        self._tracker = tracker
        self._stage = stage

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        self._progress.start(task, total=total, done=done)

    def update(self, done: int, **figures: float) -> None:
        self._progress.update(done, **figures)
        if figures:
            self._tracker.metrics(self._stage, done, figures)

    def note(self, text: str) -> None:
        self._progress.note(text)
