"""Fine-tuning: the exported subnet, or each of the finalists, trained further with the supernet's losses; then the choice among them."""

from __future__ import annotations

from pathlib import Path

from autogc.errors import RunDirectoryError
from autogc.export import load_package, rescore_package
from autogc.export.package import MANIFEST
from autogc.files import read_json
from autogc.pipeline.choice import choose_finetuned, chosen_afterwards, made_from, wanted_limits
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
        supernet=run.stage_directory("supernet"),
        judge=None if run.experiment.finetune.validate_every is None else run.judge,
        limits=wanted_limits(run),
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
    if run.result("export") is None or not all(_finetuned(run, name) for name in run.candidates):
        return False
    result = run.result("finetune")
    return not chosen_afterwards(run) or (result is not None and all(result[name] == value for name, value in made_from(run).items()))


def _finetuned(run: Run, name: str) -> bool:
    directory = run.stage_directory("finetune") / name
    return (directory / "result.json").is_file() and bool(read_json(directory / "scores.json")["scores"])


def _outlook(run: Run) -> str:
    config, several = run.experiment.finetune, run.experiment.export.finalists
    if run.result("export") is None:
        return f"train {config.steps} steps" + (f", {several} subnets" if several > 1 else "")
    if _done(run):
        return "done"
    left = [training_outlook(run, f"finetune/{name}", config) for name in run.candidates if not _finetuned(run, name)]
    return "; ".join(left) or "choose among the fine-tuned subnets"


def _finetune(run: Run) -> None:
    for name in run.candidates:
        finetune_package(run, run.stage_directory("export") / name)
    if chosen_afterwards(run):
        choose_finetuned(run)


STAGE = Stage(name="finetune", needs=("teacher", "supernet", "export"), done=_done, run=_finetune, outlook=_outlook)
