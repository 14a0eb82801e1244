"""The teacher: the generator that is to be compressed, trained as pix2pix is, or taken from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from autogc.config.experiment import Experiment, Optimization
from autogc.data import Dataset
from autogc.files import sha256_file
from autogc.progress import Progress, Silent
from autogc.training.engine import Engine
from autogc.training.imitation import write_outputs
from autogc.training.launch import launch
from autogc.training.loop import Loop
from autogc.training.stage import (
    DISCRIMINATOR,
    GENERATOR,
    asks_discriminator,
    build_data,
    build_discriminator,
    build_teacher_generator,
    count_parameters,
    file_of,
    finish,
    identity,
    is_done,
    write_result,
)
from autogc.training.tasks import IMITATION, Objective, task_of
from autogc.training.trainer import CriticSide, GanTrainer, GeneratorSide, PlainGenerator
from autogc.training.watch import note_trivial_teacher
from autogc.training.weights import load_weights, save_weights, with_prefix_removed
from autogc.training.worker import Worker


def train_teacher(experiment: Experiment, directory: str | Path, *, address: str | None = None, progress: Progress | None = None) -> None:
    """Train the experiment's generator and discriminator on its data, and write ``directory/generator.safetensors``,
    ``discriminator.safetensors`` where the losses need one (and for an unpaired set those of the way back), ``history.json`` and, last,
    ``result.json``.

    What they are trained for is the task's (``autogc.training.tasks``), with the weights of ``experiment.losses``; nothing is distilled.
    A directory with a result of these settings is left as it is, one with checkpoints is continued.
    With ``teacher.checkpoint`` nothing is trained: the weights are checked against the generator and copied; in imitation the outputs,
    ``directory/outputs``, are made too.

    Raises CheckpointError (weights that don't fit), DivergenceError, RunDirectoryError (another training's result).
    """
    directory, progress = Path(directory), progress or Silent()
    if experiment.teacher.checkpoint is not None:
        _import_teacher(experiment, directory, progress)
        return
    launch(
        _train,
        {"experiment": experiment.model_dump(mode="json"), "directory": str(directory.resolve())},
        device=experiment.device,
        workers=experiment.workers,
        address=address,
        progress=progress,
    )


def load_teacher(experiment: Experiment, data: Dataset, directory: str | Path) -> nn.Module:
    """Return the trained generator, in evaluation mode, with its parameters fixed. Raises CheckpointError."""
    generator = build_teacher_generator(experiment, data)
    load_weights(generator, Path(directory) / GENERATOR, what="the generator")
    return generator.eval().requires_grad_(False)


def load_discriminator(experiment: Experiment, data: Dataset, path: str | Path) -> nn.Module:
    """Return a trained discriminator, ready to be trained further (GAN Compression, "inheriting the teacher discriminator")."""
    discriminator = build_discriminator(experiment, data)
    load_weights(discriminator, path, what="the discriminator")
    return discriminator


def train_plain(
    generator: nn.Module,
    discriminator: nn.Module | None,
    experiment: Experiment,
    config: Optimization,
    data: Dataset,
    directory: Path,
    *,
    name: str,
    worker: Worker,
    progress: Progress,
    inputs: Mapping[str, Any],
) -> None:
    """Train any pair on the teacher's objective and write the stage's files. Collective. ``inputs`` say what decides its start."""
    loop = Loop(name, config, data.train, experiment.seed, directory, identity(experiment, config, data, **inputs))
    if worker.agree(int(worker.leads and is_done(directory, loop.identity, progress))):
        return
    objective = task_of(experiment, data).teacher(experiment.losses, data).to(worker.device)
    companions = {way: build_teacher_generator(experiment, data, way=way) for way in objective.companions}
    student = PlainGenerator(generator, objective, companions)
    trainer = teacher_trainer(student, discriminator, objective, experiment, config, data, worker=worker)
    outcome = loop.run(trainer, worker, progress)
    weights = {GENERATOR: trainer.weights()}
    if trainer.discriminator is not None:
        weights[DISCRIMINATOR] = trainer.discriminator.tensors()
    if worker.leads:
        files = {name: with_prefix_removed(state, "net.") for name, state in weights.items()}
        for way in objective.companions:
            files |= {file_of(name, way): with_prefix_removed(state, f"companions.{way}.") for name, state in weights.items()}
        finish(loop, outcome, worker, files, parameters=count_parameters(generator))
    trainer.close()


def teacher_trainer(
    generator: GeneratorSide,
    discriminator: nn.Module | None,
    objective: Objective,
    experiment: Experiment,
    config: Optimization,
    data: Dataset,
    *,
    worker: Worker,
) -> GanTrainer:
    """Return the trainer of a generator on a teacher's objective, with fresh companions of the discriminator, where there is one."""
    if discriminator is None:
        return GanTrainer(*engines(generator, None, config, worker=worker), objective=objective)
    companions = {way: build_discriminator(experiment, data, way=way) for way in objective.companions}
    critics = CriticSide(discriminator, objective, companions, pools=objective.pools(data))
    return GanTrainer(*engines(generator, critics, config, worker=worker), objective=objective)


def engines(generator: GeneratorSide, critics: CriticSide | None, config: Optimization, *, worker: Worker) -> tuple[Engine, Engine | None]:
    """Return the two engines of a stage, the discriminator's with Adam and its own rate where the configuration has one; None where there
    is none."""
    own, rate = config.model_copy(update={"optimizer": "adam"}), config.discriminator_learning_rate
    of_critics = None if critics is None else Engine(critics, own, device=worker.device, learning_rate=rate)
    return Engine(generator, config, device=worker.device), of_critics


def _train(given: Mapping[str, Any], worker: Worker, progress: Progress) -> None:
    experiment = Experiment.model_validate(given["experiment"])
    data, directory = build_data(experiment), Path(given["directory"])
    train_plain(
        build_teacher_generator(experiment, data),
        build_discriminator(experiment, data) if asks_discriminator(experiment, data) else None,
        experiment,
        experiment.teacher,
        data,
        directory,
        name="teacher",
        worker=worker,
        progress=progress,
        inputs={},
    )
    if worker.leads:
        has_critic = task_of(experiment, data).teacher(experiment.losses, data).needs_critic
        teacher = load_teacher(experiment, data, directory)
        note_trivial_teacher(experiment, data, teacher, has_critic=has_critic, device=worker.device, progress=progress)


def _import_teacher(experiment: Experiment, directory: Path, progress: Progress) -> None:
    config = experiment.teacher
    assert config.checkpoint is not None
    data = build_data(experiment, teacher=directory)
    generator = build_teacher_generator(experiment, data)
    discriminator = build_discriminator(experiment, data) if asks_discriminator(experiment, data) else None
    load_weights(generator, config.checkpoint, what="the generator", progress=progress)
    sources = {"checkpoint": sha256_file(config.checkpoint)}
    if discriminator is None:
        if config.discriminator_checkpoint is not None:
            progress.note("teacher.discriminator_checkpoint is not used: none of the losses needs a discriminator")
    elif config.discriminator_checkpoint is not None:
        load_weights(discriminator, config.discriminator_checkpoint, what="the discriminator", progress=progress)
        sources["discriminator_checkpoint"] = sha256_file(config.discriminator_checkpoint)
    else:
        progress.note("teacher.discriminator_checkpoint is not given: the supernet starts with an untrained discriminator")
    own = identity(experiment, config, data, **sources)
    if is_done(directory, own, progress):
        return
    save_weights(directory / GENERATOR, generator.state_dict())
    if discriminator is not None:
        save_weights(directory / DISCRIMINATOR, discriminator.state_dict())
    if experiment.task == IMITATION:
        write_outputs(experiment, directory, progress)
    parameters = count_parameters(generator)
    write_result(directory, identity=own, steps=0, seconds=0.0, losses={}, parameters=parameters, sources=sources)
