"""Fine-tuning: an exported subnet, trained further on its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from autogc.config.experiment import Experiment
from autogc.data import Dataset
from autogc.errors import ConfigError
from autogc.export import Package, draw_fresh, load_package, write_like
from autogc.files import sha256_file
from autogc.inference import suited
from autogc.metrics import METRICS, Judge
from autogc.progress import Progress, Silent
from autogc.training.features import FeatureAdapters, feature_channels
from autogc.training.launch import launch
from autogc.training.loop import Loop, Outcome
from autogc.training.randomness import seeded
from autogc.training.stage import (
    DISCRIMINATOR,
    GENERATOR,
    asks_discriminator,
    build_data,
    count_parameters,
    example_input,
    finish,
    identity,
    is_done,
)
from autogc.training.students import CompressedStudent, FixedTeacher
from autogc.training.supernet import ADAPTERS, SUPERNET, load_adapters, load_supernet
from autogc.training.teacher import engines, load_discriminator, load_teacher
from autogc.training.teaching import asked_files, student_objective
from autogc.training.trainer import CriticSide, GanTrainer
from autogc.training.validation import BestByValidation
from autogc.training.weights import with_prefix_removed
from autogc.training.worker import Worker


def finetune(
    experiment: Experiment,
    teacher: str | Path,
    package_directory: str | Path,
    directory: str | Path,
    *,
    discriminator: str | Path | None = None,
    supernet: str | Path | None = None,
    fresh: int | None = None,
    judge: Judge | None = None,
    limits: Mapping[str, float] | None = None,
    address: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Train the exported subnet in ``package_directory`` further, with the supernet's losses, and write another package to ``directory``,
    with ``discriminator.safetensors``, ``adapters.safetensors``, ``history.json`` and, last, ``result.json`` beside it.

    The latent float32 weights are trained; every forward pass computes with them compressed as the package says, so what is trained is what
    ships. ``teacher`` is the teacher's directory; ``discriminator`` the file to go on from, the supernet's, which only losses that need a
    discriminator ask for. ``supernet`` is the supernet's directory, that file's where it is not said: where it holds the supernet and its
    feature maps, the maps go on from them; otherwise they start anew. A directory with a result of these settings
    is left as it is, one with checkpoints is continued.
    With a seed as ``fresh`` the subnet starts from fresh weights that are drawn with it, and so do the feature maps and the order of the
    data: nothing of the supernet is used (``distil_alone``).

    With ``finetune.validate_every`` the subnet (its averaged weights, with ``finetune.average``) is scored by ``judge`` at that interval,
    from the start on: on the images of the validation split that the search scores on, by the experiment's first objective that is a score.
    With ``limits``, on scores by name, the step that misses them least comes before the one with the best score (``validation.py``).
    The best is what is written; ``result.json`` and the package's provenance say under ``validation`` which it was. So the package is
    never worse by that than the one that it came from, and is just that where no step was better.

    Raises CheckpointError, ConfigError (another input size or number of channels than the data's; losses that need a discriminator, and
    none given; no judge where one is needed), DivergenceError, RunDirectoryError.
    """
    if experiment.finetune.validate_every is not None and judge is None:
        raise ConfigError("finetune.validate_every needs a judge: give finetune one (autogc.pipeline's Run has it), or set it to null")
    launch(
        _train,
        {
            "experiment": experiment.model_dump(mode="json"),
            "teacher": str(Path(teacher).resolve()),
            "package": str(Path(package_directory).resolve()),
            "discriminator": None if discriminator is None else str(Path(discriminator).resolve()),
            "supernet": None if supernet is None else str(Path(supernet).resolve()),
            "directory": str(Path(directory).resolve()),
            "fresh": fresh,
            "judge": None if experiment.finetune.validate_every is None else judge,
            "limits": dict(limits or {}),
        },
        device=experiment.device,
        workers=experiment.workers,
        address=address,
        progress=progress or Silent(),
    )


def check_package_fits(package: Package, data: Dataset) -> None:
    """Raise ConfigError where the package is for inputs of another number of channels, or size, than the dataset has."""
    taken, given = tuple(package.input_shape[1:]), data.input_shape
    if taken != given:
        told = [f"{channels} channels of {height} x {width}" for channels, height, width in (taken, given)]
        raise ConfigError(
            f"{package.directory} was made and costed for inputs of {told[0]}, but the dataset has {told[1]}: "
            "use the experiment that it was exported from"
        )


def write_successor(
    package: Package,
    student: CompressedStudent,
    weights: Mapping[str, Tensor],
    loop: Loop,
    outcome: Outcome,
    *,
    how: str,
    validation: Mapping[str, Any] | None = None,
) -> None:
    """Write ``student`` as a successor of ``package`` to the loop's directory, beside its checkpoints: ``finish`` comes after. Rank 0 only.

    ``weights`` are the student's in float32, as its engine gives them: in bf16 the student itself holds rounded ones.
    """
    module = _with_weights(student, weights)
    told = {"how": how, "steps": loop.config.steps, "identity": loop.identity, "losses": outcome.history[-1]}
    provenance = {"training": told if validation is None else {**told, "validation": dict(validation)}}
    beside = loop.directory.with_name(f".{loop.directory.name}.package")
    write_like(package, module, beside, scores={}, provenance=provenance)
    # Into the directory rather than in its place: a kill before ``result.json`` must find the checkpoints there.
    loop.directory.mkdir(parents=True, exist_ok=True)
    for path in sorted(beside.iterdir()):
        path.replace(loop.directory / path.name)
    beside.rmdir()


def _train(given: Mapping[str, Any], worker: Worker, progress: Progress) -> None:
    experiment = Experiment.model_validate(given["experiment"])
    directory, config, data = Path(given["directory"]), experiment.finetune, build_data(experiment, teacher=given["teacher"])
    package = load_package(given["package"], source=experiment.generator.source)
    check_package_fits(package, data)
    fresh, name = given["fresh"], "finetune" if given["fresh"] is None else "distilled alone"
    if fresh is not None:
        experiment = experiment.model_copy(update={"seed": fresh})  # the data stays that of the experiment's own
    discriminator = _discriminator(experiment, data, given["discriminator"])
    start = package.hash if fresh is None else {"fresh": package.architecture}
    sources = [start, sha256_file(Path(given["teacher"]) / GENERATOR)]
    sources += [] if discriminator is None else [sha256_file(discriminator)]
    sources += [sha256_file(Path(given["teacher"]) / file) for file in asked_files(experiment)]
    validated = {} if given["judge"] is None else {"validation": _judged_by(experiment)}
    own = identity(experiment, config, data, sources=sources, **validated)
    loop = Loop(name, config, data.train, experiment.seed, directory, own)
    if worker.agree(int(worker.leads and is_done(directory, loop.identity, progress))):
        return
    if fresh is not None:
        with seeded(fresh, name):
            draw_fresh(package)
    layers = experiment.losses.distillation_layers
    teacher = load_teacher(experiment, data, given["teacher"])
    beside = None if fresh is not None else given["supernet"] or (given["discriminator"] and Path(given["discriminator"]).parent)
    adapters = _adapters(experiment, data, package, teacher, None if beside is None else Path(beside), progress)
    objective = student_objective(experiment, data, given["teacher"]).to(worker.device)
    student = CompressedStudent(package.module, package.values, objective, layers=layers, adapters=adapters)
    validation = _validation(given["judge"], experiment, data, student, worker, limits=given["limits"])
    critics = None if discriminator is None else CriticSide(load_discriminator(experiment, data, discriminator), objective)
    trainer = GanTrainer(
        *engines(student.requires_grad_(True), critics, config, worker=worker),
        objective=objective,
        teacher=FixedTeacher(teacher, experiment.teacher_layers, worker.device),
    )
    outcome = loop.run(trainer, worker, progress, watchers=() if validation is None else (validation,))
    weights = trainer.weights() if validation is None else validation.best
    critic = None if trainer.discriminator is None else trainer.discriminator.tensors()
    if worker.leads:
        told = None if validation is None else validation.described()
        write_successor(package, student, weights, loop, outcome, how="fine-tuned" if fresh is None else name, validation=told)
        if validation is not None and validation.kept_step == 0:
            progress.note(f"{name}: did not improve {validation.title} on the validation split: kept step 0, what it started from")
        files = {ADAPTERS: with_prefix_removed(weights, "adapters.")}
        files |= {} if critic is None else {DISCRIMINATOR: with_prefix_removed(critic, "net.")}
        finish(loop, outcome, worker, files, parameters=count_parameters(package.module), validation=told)
    trainer.close()


def _discriminator(experiment: Experiment, data: Dataset, given: str | None) -> Path | None:
    """Return the discriminator's file, or None where the losses need none."""
    if not asks_discriminator(experiment, data):
        return None
    if given is None:
        raise ConfigError("finetune: the experiment's losses need a discriminator, and none is given: name the supernet's")
    return Path(given)


def _with_weights(student: CompressedStudent, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the student's net with latent ``weights``, in evaluation mode on the CPU; the student itself stays as it is."""
    module = copy.deepcopy(student.net).cpu().float().eval()
    module.load_state_dict(with_prefix_removed(weights, "net."))
    return module


def _judged_by(experiment: Experiment) -> dict[str, Any]:
    """Return what decides which step is the best, beside the data: JSON-ready."""
    objective = next(name for name in experiment.search.objectives if name in METRICS)
    return {
        "objective": objective,
        "images": experiment.search.images,
        "scores": experiment.scores.model_dump(mode="json", exclude={"latency"}),
    }


def _validation(
    judge: Judge | None,
    experiment: Experiment,
    data: Dataset,
    student: CompressedStudent,
    worker: Worker,
    *,
    limits: Mapping[str, float],
) -> BestByValidation | None:
    """Return what keeps the best step, where the experiment asks for it; before an engine has the student."""
    if judge is None:
        return None
    how = _judged_by(experiment)
    objective: str = how["objective"]
    if worker.leads:
        judge.to(worker.device)

    names = list(dict.fromkeys((objective, *limits)))

    def score(weights: Mapping[str, Tensor]) -> Mapping[str, float]:
        module = student.compress_into(_with_weights(student, weights)).to(worker.device)
        judged = judge.score(suited(module), data.validation, metrics=names, images=how["images"])
        return judged.scores

    start = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in student.state_dict().items()}
    every = experiment.finetune.validate_every
    assert every is not None
    return BestByValidation(objective, limits=limits, every=every, start=start, score=score, worker=worker)


def _adapters(
    experiment: Experiment, data: Dataset, package: Package, teacher: nn.Module, supernet_directory: Path | None, progress: Progress
) -> FeatureAdapters:
    """The supernet's maps, narrowed to the channels that the subnet has; fresh ones where there is no supernet, or none is to be used."""
    layers = experiment.losses.distillation_layers
    if supernet_directory is not None and all((supernet_directory / name).is_file() for name in (SUPERNET, ADAPTERS)):
        supernet = load_supernet(experiment, data, supernet_directory)
        kept = [supernet.watched_index(layer, package.candidate) for layer in layers]
        return load_adapters(experiment, data, supernet_directory).narrowed(kept)
    if layers and supernet_directory is not None:
        progress.note(f"finetune: no supernet lies in {supernet_directory}; the feature maps start anew")
    example = example_input(data)
    with seeded(experiment.seed, "adapters"):
        return FeatureAdapters(
            feature_channels(package.module, example, layers), feature_channels(teacher, example, experiment.teacher_layers)
        )
