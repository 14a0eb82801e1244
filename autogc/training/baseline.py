"""What a compressed subnet is compared with: the same architecture without what the teacher and the supernet taught it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autogc.config.experiment import Experiment, Optimization
from autogc.export import draw_fresh, load_package
from autogc.metrics import Judge
from autogc.progress import Progress, Silent
from autogc.training.finetune import check_package_fits, finetune, write_successor
from autogc.training.launch import launch
from autogc.training.loop import Loop
from autogc.training.randomness import seeded
from autogc.training.stage import (
    DISCRIMINATOR,
    asks_discriminator,
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
from autogc.training.teacher import teacher_trainer
from autogc.training.weights import with_prefix_removed
from autogc.training.worker import Worker


def train_from_scratch(
    experiment: Experiment,
    package_directory: str | Path,
    directory: str | Path,
    *,
    optimization: Optimization,
    teacher: str | Path | None = None,
    seed: int | None = None,
    address: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Train the architecture of an exported subnet from fresh weights on the teacher's objective; write a package to ``directory``.

    Its compression takes part in the training, as in fine-tuning; nothing is distilled, and the discriminator starts fresh too.
    ``optimization`` says for how long; ``seed`` is that of the weights and of the order of the data, the experiment's by default.
    In imitation the targets are the outputs in the directory ``teacher``, or made anew. Otherwise like ``finetune``.
    """
    launch(
        _train,
        {
            "experiment": experiment.model_dump(mode="json"),
            "optimization": optimization.model_dump(mode="json", include=set(Optimization.model_fields)),
            "package": str(Path(package_directory).resolve()),
            "teacher": None if teacher is None else str(Path(teacher).resolve()),
            "directory": str(Path(directory).resolve()),
            "seed": experiment.seed if seed is None else seed,
        },
        device=experiment.device,
        workers=experiment.workers,
        address=address,
        progress=progress or Silent(),
    )


def distil_alone(
    experiment: Experiment,
    teacher: str | Path,
    package_directory: str | Path,
    directory: str | Path,
    *,
    discriminator: str | Path | None = None,
    judge: Judge | None = None,
    seed: int | None = None,
    address: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Train the architecture of an exported subnet from fresh weights on the student's objective, as ``experiment.finetune`` says.

    It is fine-tuning without the supernet: the same losses, the same teacher, the same compression in every forward pass, but weights and
    feature maps start fresh. ``discriminator`` is the file to go on from, where the losses need one: the teacher's, as the supernet had
    it. ``seed`` is that of the weights and of the order of the data, the experiment's by default. Otherwise like ``finetune``.
    """
    fresh = experiment.seed if seed is None else seed
    finetune(
        experiment,
        teacher,
        package_directory,
        directory,
        discriminator=discriminator,
        fresh=fresh,
        judge=judge,
        address=address,
        progress=progress,
    )


def _train(given: Mapping[str, Any], worker: Worker, progress: Progress) -> None:
    experiment, config = Experiment.model_validate(given["experiment"]), Optimization.model_validate(given["optimization"])
    directory, data = Path(given["directory"]), build_data(experiment, teacher=given["teacher"])
    package = load_package(given["package"], source=experiment.generator.source)
    check_package_fits(package, data)
    experiment = experiment.model_copy(update={"seed": given["seed"]})  # the data stays that of the experiment's own
    own = identity(experiment, config, data, architecture=package.architecture, from_scratch=True)
    loop = Loop("from scratch", config, data.train, experiment.seed, directory, own)
    if worker.agree(int(worker.leads and is_done(directory, own, progress))):
        return
    with seeded(experiment.seed, "from scratch"):
        draw_fresh(package)
    objective = task_of(experiment, data).teacher(experiment.losses, data).to(worker.device)
    companions = {way: build_generator(experiment, data, way=way) for way in objective.companions}
    student = CompressedStudent(package.module, package.values, objective, companions=companions).requires_grad_(True)
    discriminator = build_discriminator(experiment, data) if asks_discriminator(experiment, data) else None
    trainer = teacher_trainer(student, discriminator, objective, experiment, config, data, worker=worker)
    outcome = loop.run(trainer, worker, progress)
    weights = trainer.weights()
    critic = None if trainer.discriminator is None else trainer.discriminator.tensors()
    if worker.leads:
        write_successor(package, student, weights, loop, outcome, how="trained from scratch")
        files = {} if critic is None else {DISCRIMINATOR: with_prefix_removed(critic, "net.")}
        finish(loop, outcome, worker, files, parameters=count_parameters(package.module))
    trainer.close()
