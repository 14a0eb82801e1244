"""Fine-tuning: the exported subnet trained further, with the supernet's losses."""

from __future__ import annotations

from pathlib import Path

from autogc.errors import RunDirectoryError
from autogc.export import load_package, rescore_package
from autogc.export.package import MANIFEST
from autogc.files import read_json
from autogc.pipeline.run import Run
from autogc.pipeline.score import identity_of, measured_package
from autogc.pipeline.stage import Stage, training_outlook
from autogc.pipeline.timing import latency_of
from autogc.training import finetune


def finetune_package(run: Run, package: str | Path, *, directory: str | Path | None = None) -> Path:
    """Train an exported subnet further with the run's data, losses and teacher, and write another package, scored on the test split.

    Returns where. Continues where it was cut off. Raises MissingStageError where the run has no teacher or supernet yet, RunDirectoryError
    where ``directory`` holds anything else.
    """
    package = Path(package)
    directory = Path(directory) if directory is not None else run.stage_directory("finetune") / package.resolve().name
    if directory.resolve() == package.resolve():
        raise RunDirectoryError(f"{directory} is the package to fine-tune itself; name another directory")
    if directory.is_dir() and any(directory.iterdir()) and not any((directory / name).exists() for name in (MANIFEST, "checkpoints")):
        raise RunDirectoryError(f"{directory} holds something that is no fine-tuning of a package; name a directory that is not there")
    finetune(
        run.experiment,
        run.stage_directory("teacher"),
        package,
        directory,
        discriminator=run.stage_directory("supernet") / "discriminator.safetensors",
        judge=None if run.experiment.finetune.validate_every is None else run.judge,
        address=run.address,
        progress=run.tracked_progress("finetune"),
    )
    if not load_package(directory, source=run.experiment.generator.source).scores:
        _score(run, directory)
    return directory


def _score(run: Run, directory: Path) -> None:
    package = load_package(directory, source=run.experiment.generator.source)
    row = measured_package(run, directory.name, package)
    latency = latency_of(run, identity_of(package), lambda: package.module)
    rescore_package(
        directory,
        scores=row.scores,
        provenance={**run.judge.provenance(run.data.test), "latency": latency.to_json()},
        costs={"latency_ms": latency.median_ms},
        source=run.experiment.generator.source,
    )


def _done(run: Run) -> bool:
    if run.result("export") is None or not (run.finetuned / "result.json").is_file():
        return False
    return bool(read_json(run.finetuned / "scores.json")["scores"])


def _outlook(run: Run) -> str:
    if run.result("export") is None:
        return f"train {run.experiment.finetune.steps} steps"
    return training_outlook(run, f"finetune/{run.exported.name}", run.experiment.finetune)


def _finetune(run: Run) -> None:
    finetune_package(run, run.exported)


STAGE = Stage(name="finetune", needs=("teacher", "supernet", "export"), done=_done, run=_finetune, outlook=_outlook)
