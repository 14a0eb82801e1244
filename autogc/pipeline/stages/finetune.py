"""Fine-tuning: the exported subnet trained further, with the supernet's losses."""

from __future__ import annotations

from pathlib import Path

from autogc.pipeline.run import Run
from autogc.pipeline.stage import Stage, training_outlook


def finetune_package(run: Run, package: str | Path, *, directory: str | Path | None = None) -> Path:
    """Train an exported subnet further with the run's data, losses and teacher, and write another package; return where.

    Continues where it was cut off. Raises MissingStageError where the run has no teacher or supernet yet.
    """
    from autogc.training import finetune

    package = Path(package)
    directory = Path(directory) if directory is not None else run.stage_directory("finetune") / package.resolve().name
    finetune(
        run.experiment,
        run.stage_directory("teacher"),
        package,
        directory,
        discriminator=run.stage_directory("supernet") / "discriminator.safetensors",
        address=run.address,
        progress=run.tracked_progress("finetune"),
    )
    return directory


def _done(run: Run) -> bool:
    return run.result("export") is not None and (run.finetuned / "result.json").is_file()


def _outlook(run: Run) -> str:
    if run.result("export") is None:
        return f"train {run.experiment.finetune.steps} steps"
    return training_outlook(run, f"finetune/{run.exported.name}", run.experiment.finetune)


def _finetune(run: Run) -> None:
    finetune_package(run, run.exported)


STAGE = Stage(name="finetune", needs=("teacher", "supernet", "export"), done=_done, run=_finetune, outlook=_outlook)
