"""The supernet: distilled from the teacher, all subnets at once."""

from __future__ import annotations

from autogc.pipeline.run import Run
from autogc.pipeline.stage import Stage, trained, training_outlook
from autogc.training import train_supernet


def _train(run: Run) -> None:
    train_supernet(
        run.experiment,
        run.stage_directory("teacher"),
        run.stage_directory("supernet"),
        address=run.address,
        progress=run.tracked_progress("supernet"),
    )


STAGE = Stage(
    name="supernet",
    needs=("teacher",),
    done=lambda run: trained(run, "supernet"),
    run=_train,
    outlook=lambda run: training_outlook(run, "supernet", run.experiment.supernet),
)
