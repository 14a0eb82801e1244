"""Training and scoring what the chosen subnet is compared with, each training in a directory of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autogc.config.experiment import Experiment, Optimization
from autogc.cost import COSTS
from autogc.errors import DivergenceError
from autogc.export import Package, load_package
from autogc.files import read_json, sha256_file, write_json
from autogc.pipeline.score import generating
from autogc.pipeline.timing import in_row, latency_of
from autogc.tracking.table import SubnetRow
from autogc.training import distil_alone, finetune, train_from_scratch
from autogc.training.stage import DISCRIMINATOR

if TYPE_CHECKING:
    from autogc.metrics import Judge
    from autogc.pipeline.run import Run
    from autogc.progress import Progress

ROW = "row.json"
# What of the supernet's settings the others are trained with: that is what most of the steps that they stand against were taken with.
RATES = ("batch_size", "optimizer", "learning_rate", "discriminator_learning_rate", "betas", "constant_fraction")


def for_steps(experiment: Experiment, steps: int) -> Experiment:
    """Return the experiment with a fine-tuning of ``steps`` steps at the supernet's batch size and rates, in one schedule over all of them.

    The rest is fine-tuning's own, so that what is trained alone is treated as the chosen subnet was.
    """
    rates = {name: getattr(experiment.supernet, name) for name in RATES}
    return experiment.model_copy(update={"finetune": experiment.finetune.model_copy(update={**rates, "steps": steps})})


def train(run: Run, kind: str, package: Path, directory: Path, *, steps: int, seed: int, progress: Progress) -> bool:
    """Train a package's architecture as ``kind`` says (``uniform``, ``scratch``, ``alone`` or ``finetuned``), or go on with it.

    Returns False where the training diverged, which is said: then it has no result.
    """
    experiment = run.experiment if kind == "finetuned" else for_steps(run.experiment, steps)
    teacher, common = run.stage_directory("teacher"), {"address": run.address, "progress": progress}
    try:
        if kind in ("uniform", "scratch"):
            plain = Optimization.model_validate(experiment.finetune.model_dump(include=set(Optimization.model_fields)))
            train_from_scratch(experiment, package, directory, optimization=plain, teacher=teacher, seed=seed, **common)  # type: ignore[arg-type]
        elif kind == "alone":
            judge = judge_of(run)
            distil_alone(experiment, teacher, package, directory, discriminator=found(teacher), judge=judge, seed=seed, **common)  # type: ignore[arg-type]
        else:
            tuning = experiment.finetune.model_copy(update={"steps": steps})
            finetune(
                experiment.model_copy(update={"finetune": tuning}),
                teacher,
                package,
                directory,
                discriminator=found(run.stage_directory("supernet")),
                supernet=run.stage_directory("supernet"),
                judge=judge_of(run),
                **common,  # type: ignore[arg-type]
            )
    except DivergenceError as error:
        run.progress.note(f"compare: {directory} has no result: {error}")
        return False
    # Of no use any more, and larger than the subnet.
    for name in ("discriminator.safetensors", "adapters.safetensors"):
        (directory / name).unlink(missing_ok=True)
    return True


def judge_of(run: Run) -> Judge | None:
    """Return the run's judge where a training keeps its best step by it."""
    return None if run.experiment.finetune.validate_every is None else run.judge


def found(directory: Path) -> Path | None:
    """Return the discriminator of a stage, or None where the losses asked for none."""
    return directory / DISCRIMINATOR if (directory / DISCRIMINATOR).is_file() else None


def scored(run: Run, name: str, directory: Path, *, latency: str) -> SubnetRow:
    """Score the package in ``directory`` on the test split once, and keep its row there.

    ``latency`` names its architecture, which is timed once in the life of the run.
    """
    package = load_package(directory, source=run.experiment.generator.source)
    weights, path = sha256_file(directory / "weights.safetensors"), directory / ROW
    if not path.is_file() or read_json(path)["weights"] != weights:
        write_json(path, {"weights": weights, "row": _score(run, name, package, latency=latency).to_json()})
    return replace(SubnetRow.from_json(read_json(path)["row"]), name=name)


def trained_seeds(directory: Path, *, steps: int) -> Iterator[tuple[int, Path]]:
    """Yield the seeds of which the trainings for ``steps`` steps under ``directory`` are whole and scored, and where they are."""
    found = [path for path in (directory / f"{steps}-steps").glob("seed-*") if (path / ROW).is_file() and (path / "result.json").is_file()]
    yield from sorted((int(path.name.removeprefix("seed-")), path) for path in found)


def place(directory: Path, *, steps: int, seed: int) -> Path:
    """Return where a training is: a directory for each number of steps and each seed."""
    return directory / f"{steps}-steps" / f"seed-{seed}"


def _score(run: Run, name: str, package: Package, *, latency: str) -> SubnetRow:
    judged = run.judge.score(generating(package.module, run.device), run.data.test)
    counted = {cost: package.costs[cost] for cost in COSTS if cost in package.costs}
    timed = in_row(latency_of(run, latency, lambda: package.module))
    return SubnetRow(name=name, scores=judged.scores, intervals=judged.intervals, details=judged.details, **counted, **timed)  # type: ignore[arg-type]
