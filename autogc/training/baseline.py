"""What a compressed subnet is compared with: the same architecture without what the teacher and the supernet taught it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from autogc.config.experiment import Component, Experiment, Optimization
from autogc.export import load_package
from autogc.progress import Progress, Silent
from autogc.training.finetune import check_package_fits, write_successor
from autogc.training.launch import launch
from autogc.training.loop import Loop
from autogc.training.randomness import seeded
from autogc.training.stage import (
    DISCRIMINATOR,
    build_data,
    build_discriminator,
    build_generator,
    count_parameters,
    finish,
    identity,
    is_done,
)
from autogc.training.students import CompressedStudent
from autogc.training.tasks import task_of
from autogc.training.teacher import teacher_trainer, train_teacher
from autogc.training.weights import with_prefix_removed
from autogc.training.worker import Worker


def train_from_scratch(
    experiment: Experiment,
    package_directory: str | Path,
    directory: str | Path,
    *,
    optimization: Optimization,
    address: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Train the architecture of an exported subnet from fresh weights on the teacher's objective; write a package to ``directory``.

    Its compression takes part in the training, as in fine-tuning; nothing is distilled, and the discriminator starts fresh too.
    ``optimization`` says for how long. Otherwise like ``finetune``.
    """
    launch(
        _train,
        {
            "experiment": experiment.model_dump(mode="json"),
            "optimization": optimization.model_dump(mode="json"),
            "package": str(Path(package_directory).resolve()),
            "directory": str(Path(directory).resolve()),
        },
        device=experiment.device,
        workers=experiment.workers,
        address=address,
        progress=progress or Silent(),
    )


def train_other_generator(
    experiment: Experiment,
    generator: Component,
    directory: str | Path,
    *,
    optimization: Optimization,
    address: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Train another generator, such as a uniformly narrower one, as the teacher is trained; the files are a teacher's."""
    teacher = {**optimization.model_dump(mode="json"), "checkpoint": None, "discriminator_checkpoint": None}
    other = {**experiment.model_dump(mode="json"), "generator": generator.model_dump(mode="json"), "teacher": teacher}
    other["supernet"] |= {"checkpoint": None}
    train_teacher(Experiment.model_validate(other), directory, address=address, progress=progress)


def reinitialize(module: nn.Module) -> None:
    """Give every layer that can draw its own weights new ones, as PyTorch does when it makes the layer."""
    for part in module.modules():
        reset = getattr(part, "reset_parameters", None)
        if callable(reset):
            reset()


def _train(given: Mapping[str, Any], worker: Worker, progress: Progress) -> None:
    experiment, config = Experiment.model_validate(given["experiment"]), Optimization.model_validate(given["optimization"])
    directory, data = Path(given["directory"]), build_data(experiment)
    package = load_package(given["package"], source=experiment.generator.source)
    check_package_fits(package, data)
    own = identity(experiment, config, data, architecture=package.architecture, from_scratch=True)
    loop = Loop("from scratch", config, data.train, experiment.seed, directory, own)
    if worker.agree(int(worker.leads and is_done(directory, own, progress))):
        return
    with seeded(experiment.seed, "from scratch"):
        reinitialize(package.module)
    objective = task_of(experiment, data).teacher(experiment.losses, data).to(worker.device)
    companions = {way: build_generator(experiment, data, way=way) for way in objective.companions}
    student = CompressedStudent(package.module, package.values, objective, companions=companions).requires_grad_(True)
    discriminator = build_discriminator(experiment, data)
    trainer = teacher_trainer(student, discriminator, objective, experiment, config, data, worker=worker)
    outcome = loop.run(trainer, worker, progress)
    weights, critic = trainer.generator.tensors(), trainer.discriminator.tensors()
    if worker.leads:
        write_successor(package, student, weights, loop, outcome, how="trained from scratch")
        finish(loop, outcome, worker, {DISCRIMINATOR: with_prefix_removed(critic, "net.")}, parameters=count_parameters(package.module))
    trainer.close()
