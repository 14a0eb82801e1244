"""What a stage of the job is, and what the training stages have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autogc.config.experiment import Optimization
from autogc.pipeline.run import Run
from autogc.training import newest_step


@dataclass(frozen=True)
class Stage:
    """One part of the job, with a result on disk that is written last, so that ``done`` is true of whole results only.

    ``needs`` names the stages whose results it reads; ``outlook`` says what running it now would do, without doing anything.
    """

    name: str
    needs: tuple[str, ...]
    done: Callable[[Run], bool]
    run: Callable[[Run], None]
    outlook: Callable[[Run], str]


def trained(run: Run, stage: str) -> bool:
    """Tell whether a training stage has left its result."""
    return run.result(stage) is not None


def training_outlook(run: Run, stage: str, optimization: Optimization) -> str:
    """Return ``done``, ``resume from step 40 of 100`` or ``train 100 steps``."""
    if trained(run, stage):
        return "done"
    step = newest_step(run.stage_directory(stage))
    return f"resume from step {step} of {optimization.steps}" if step else f"train {optimization.steps} steps"
