"""What a stage of the job is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autogc.pipeline.run import Run


@dataclass(frozen=True)
class Stage:
    """One part of the job, with a result on disk that is written last, so that ``done`` is true of whole results only.

    ``needs`` names the stages whose results it reads; ``outlook`` says what running it now would do (``done``, ``resume from step 40``,
    ``run``) without doing anything.
    """

    name: str
    needs: tuple[str, ...]
    done: Callable[[Run], bool]
    run: Callable[[Run], None]
    outlook: Callable[[Run], str]
