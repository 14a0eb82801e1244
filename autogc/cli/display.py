"""Progress as a person sees it: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0


def figures_text(figures: dict[str, float]) -> str:
    """Return named figures on one line, such as ``loss 0.412  l1 0.0321``."""
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())


class Bars:
    """Progress on a terminal: a bar for the current task, finished ones above it. A context manager."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[figures]}"),
            console=console,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        self._task = self._bars.add_task(task, total=total, completed=done, figures="")

    def update(self, done: int, **figures: float) -> None:
        if self._task is not None:
            self._bars.update(self._task, completed=done)
            if figures:
                self._bars.update(self._task, figures=figures_text(figures))

    def note(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)


class Lines:
    """Progress where nobody watches a terminal: the first, the last, and at most one line each ten seconds between. A context manager."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._task = ""
        self._total = 0
        self._last = float("-inf")
        self._shown = -1

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        self._task, self._total, self._last, self._shown = task, total, self._clock(), -1
        self.note(f"{task}: {total} to do" if done == 0 else f"{task}: {done} of {total} done, continuing")

    def update(self, done: int, **figures: float) -> None:
        due = self._clock() - self._last >= SECONDS_BETWEEN_LINES
        if done != self._shown and (due or done == self._total):
            self.note(f"{self._task}: {done}/{self._total}  {figures_text(figures)}".rstrip())
            self._last, self._shown = self._clock(), done

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def display(console: Console) -> Bars | Lines:
    """Return bars for a terminal, lines for anything else."""
    return Bars(console) if console.is_terminal else Lines(console)
