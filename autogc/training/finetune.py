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
from autogc.export import Package, load_package, write_like
from autogc.files import sha256_file
from autogc.progress import Progress, Silent
from autogc.training.features import FeatureAdapters, feature_channels
from autogc.training.launch import launch
from autogc.training.loop import Loop, Outcome
from autogc.training.randomness import seeded
from autogc.training.stage import DISCRIMINATOR, GENERATOR, build_data, count_parameters, example_input, finish, identity, is_done
from autogc.training.students import CompressedStudent, FixedTeacher
from autogc.training.supernet import ADAPTERS, SUPERNET, load_adapters, load_supernet
from autogc.training.teacher import engines, load_discriminator, load_teacher
from autogc.training.teaching import asked_files, student_objective
from autogc.training.trainer import CriticSide, GanTrainer
from autogc.training.weights import with_prefix_removed
from autogc.training.worker import Worker


def finetune(
    experiment: Experiment,
    teacher: str | Path,
    package_directory: str | Path,
    directory: str | Path,
    *,
    discriminator: str | Path,
    address: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Train the exported subnet in ``package_directory`` further, with the supernet's losses, and write another package to ``directory``,
    with ``discriminator.safetensors``, ``adapters.safetensors``, ``history.json`` and, last, ``result.json`` beside it.

    The latent float32 weights are trained; every forward pass computes with them compressed as the package says, so what is trained is what
    ships. ``teacher`` is the teacher's directory; ``discriminator`` the file to go on from, the supernet's. Where the supernet and its
    feature maps lie beside that file, the maps go on from them too; otherwise they start anew. A directory with a result of these settings
    is left as it is, one with checkpoints is continued.

    Raises CheckpointError, ConfigError (another input size or number of channels than the data's), DivergenceError, RunDirectoryError.
    """
    launch(
        _train,
        {
            "experiment": experiment.model_dump(mode="json"),
            "teacher": str(Path(teacher).resolve()),
            "package": str(Path(package_directory).resolve()),
            "discriminator": str(Path(discriminator).resolve()),
            "directory": str(Path(directory).resolve()),
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
    package: Package, student: CompressedStudent, weights: Mapping[str, Tensor], loop: Loop, outcome: Outcome, *, how: str
) -> None:
    """Write ``student`` as a successor of ``package`` to the loop's directory, beside its checkpoints: ``finish`` comes after. Rank 0 only.

    ``weights`` are the student's in float32, as its engine gives them: in bf16 the student itself holds rounded ones.
    """
    module = copy.deepcopy(student.net).cpu().float().eval()
    module.load_state_dict(with_prefix_removed(weights, "net."))
    provenance = {"training": {"how": how, "steps": loop.config.steps, "identity": loop.identity, "losses": outcome.history[-1]}}
    beside = loop.directory.with_name(f".{loop.directory.name}.package")
    write_like(package, module, beside, scores={}, provenance=provenance)
    # Into the directory rather than in its place: a kill before ``result.json`` must find the checkpoints there.
    loop.directory.mkdir(parents=True, exist_ok=True)
    for path in sorted(beside.iterdir()):
        path.replace(loop.directory / path.name)
    beside.rmdir()


def _train(given: Mapping[str, Any], worker: Worker, progress: Progress) -> None:
    experiment = Experiment.model_validate(given["experiment"])
    directory, discriminator = Path(given["directory"]), Path(given["discriminator"])
    config, data, package = experiment.finetune, build_data(experiment), load_package(given["package"], source=experiment.generator.source)
    check_package_fits(package, data)
    sources = [package.hash, sha256_file(Path(given["teacher"]) / GENERATOR), sha256_file(discriminator)]
    sources += [sha256_file(Path(given["teacher"]) / name) for name in asked_files(experiment)]
    loop = Loop("finetune", config, data.train, experiment.seed, directory, identity(experiment, config, data, sources=sources))
    if worker.agree(int(worker.leads and is_done(directory, loop.identity, progress))):
        return
    layers = experiment.losses.distillation_layers
    teacher = load_teacher(experiment, data, given["teacher"])
    adapters = _adapters(experiment, data, package, teacher, discriminator.parent, progress)
    objective = student_objective(experiment, data, given["teacher"]).to(worker.device)
    student = CompressedStudent(package.module, package.values, objective, layers=layers, adapters=adapters)
    critics = CriticSide(load_discriminator(experiment, data, discriminator), objective)
    trainer = GanTrainer(
        *engines(student.requires_grad_(True), critics, config, worker=worker),
        objective=objective,
        teacher=FixedTeacher(teacher, experiment.teacher_layers, worker.device),
    )
    outcome = loop.run(trainer, worker, progress)
    weights, critic = trainer.generator.tensors(), trainer.discriminator.tensors()
    if worker.leads:
        write_successor(package, student, weights, loop, outcome, how="fine-tuned")
        files = {ADAPTERS: with_prefix_removed(weights, "adapters."), DISCRIMINATOR: with_prefix_removed(critic, "net.")}
        finish(loop, outcome, worker, files, parameters=count_parameters(package.module))
    trainer.close()


def _adapters(
    experiment: Experiment, data: Dataset, package: Package, teacher: nn.Module, supernet_directory: Path, progress: Progress
) -> FeatureAdapters:
    """The supernet's maps, narrowed to the channels that the subnet has; fresh ones where there is no supernet."""
    layers = experiment.losses.distillation_layers
    if all((supernet_directory / name).is_file() for name in (SUPERNET, ADAPTERS)):
        supernet = load_supernet(experiment, data, supernet_directory)
        kept = [supernet.watched_index(layer, package.candidate) for layer in layers]
        return load_adapters(experiment, data, supernet_directory).narrowed(kept)
    if layers:
        progress.note(f"finetune: no supernet beside the discriminator in {supernet_directory}; the feature maps start anew")
    example = example_input(data)
    with seeded(experiment.seed, "adapters"):
        return FeatureAdapters(
            feature_channels(package.module, example, layers), feature_channels(teacher, example, experiment.teacher_layers)
        )
