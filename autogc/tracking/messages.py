"""What a tracker says to its outbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autogc.tracking.runs import Point

if TYPE_CHECKING:
    from autogc.search.ledger import Evaluation


@dataclass(frozen=True)
class Scored:
    """A candidate was evaluated."""

    evaluation: Evaluation


@dataclass(frozen=True)
class Remeasured:
    """A candidate's predicted latency was replaced by a measured one."""

    evaluation: Evaluation


@dataclass(frozen=True)
class Curves:
    """Values for the parent's curves."""

    points: tuple[Point, ...]


@dataclass(frozen=True)
class Front:
    """The front is to be drawn anew; ``teacher`` holds the teacher's scores and costs by name."""

    evaluations: tuple[Evaluation, ...]
    grid: Path | None
    teacher: Mapping[str, float] | None


@dataclass(frozen=True)
class File:
    """A file, or a directory, belongs to the run."""

    path: Path
    under: str | None = None


@dataclass(frozen=True)
class End:
    """The run is over: FINISHED, FAILED or KILLED."""

    status: str


Message = Scored | Remeasured | Curves | Front | File | End


def combine(waiting: Message, new: Message) -> Message | None:
    """Curves travel together, and only the newest front is worth drawing."""
    if isinstance(waiting, Curves) and isinstance(new, Curves):
        return Curves(waiting.points + new.points)
    if isinstance(waiting, Front) and isinstance(new, Front):
        return new
    return None
