"""The supernet: distilled from the teacher, all subnets at once."""

from __future__ import annotations

from autogc.pipeline.run import Run
from autogc.pipeline.stage import Stage, trained, training_outlook
from autogc.training import train_supernet
from autogc.training.watch.record import DIRECTORY as WATCH
from autogc.training.watch.record import HISTORY


def _train(run: Run) -> None:
    directory = run.stage_directory("supernet")
    watch = directory / WATCH
    try:
        train_supernet(
            run.experiment,
            run.stage_directory("teacher"),
            directory,
            address=run.address,
            progress=run.tracked_progress("supernet", drawings=watch),
        )
    finally:
        if (watch / HISTORY).is_file():
            run.tracker.artifact(watch / HISTORY, under=f"supernet/{WATCH}")


STAGE = Stage(
    name="supernet",
    needs=("teacher",),
    done=lambda run: trained(run, "supernet"),
    run=_train,
    outlook=lambda run: training_outlook(run, "supernet", run.experiment.supernet),
)
