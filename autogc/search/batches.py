"""How many pictures of a candidate are made and judged at once: the largest batch that helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from autogc.files import read_json, write_json
from autogc.progress import Progress

SIZES = (4, 8, 16, 32, 64, 128)
# A larger batch has to save this share of the time to be worth its memory.
HELPS = 0.05
RECORD = "batch_size.json"


def fitting(asked: int | Literal["auto"], *, images: int, seconds: Callable[[int], float], directory: Path, progress: Progress) -> int:
    """Return the batch size that a search evaluates in.

    ``auto`` doubles it for as long as that saves time and fits: ``seconds`` evaluates ``images`` pictures in batches of so many. What was
    found is kept in ``directory``, so that a search that goes on goes on with the same.
    """
    if asked != "auto":
        return asked
    path = directory / RECORD
    if path.is_file():
        return int(read_json(path)["batch_size"])
    seconds(SIZES[0])  # what is made at first use is nobody's time
    took: dict[int, float] = {}
    for size in SIZES:
        try:
            took[size] = seconds(size)
        except RuntimeError:
            if not took:
                raise
            break  # out of memory
        if size > SIZES[0] and took[size] > (1 - HELPS) * took[size // 2]:
            break
        if size >= images:
            break
    best = SIZES[0]
    for size in took:
        if took[size] <= (1 - HELPS) * took[best]:
            best = size
    write_json(path, {"batch_size": best, "seconds": {str(size): round(time, 3) for size, time in took.items()}})
    progress.note(f"candidates are evaluated in batches of {best} (search.batch_size: auto; {path} has what was measured)")
    return best
