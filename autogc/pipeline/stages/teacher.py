"""The teacher: trained, or taken from a checkpoint."""

from __future__ import annotations

from autogc.pipeline.run import Run
from autogc.pipeline.stage import Stage, trained, training_outlook
from autogc.training import train_teacher


def _train(run: Run) -> None:
    train_teacher(run.experiment, run.stage_directory("teacher"), address=run.address, progress=run.tracked_progress("teacher"))


def _outlook(run: Run) -> str:
    checkpoint = run.experiment.teacher.checkpoint
    if checkpoint is not None and not trained(run, "teacher"):
        return f"take it from {checkpoint}"
    return training_outlook(run, "teacher", run.experiment.teacher)


STAGE = Stage(name="teacher", needs=(), done=lambda run: trained(run, "teacher"), run=_train, outlook=_outlook)
