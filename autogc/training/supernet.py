"""The supernet: converted from the teacher, then distilled from it, every subnet at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from autogc.config.experiment import Experiment
from autogc.data import Dataset
from autogc.errors import CheckpointError, CollapseError
from autogc.files import read_json, replacing, sha256_file, write_json
from autogc.progress import Progress, Silent
from autogc.supernet.candidate import Candidate
from autogc.supernet.groups import Discovery
from autogc.supernet.space import Space
from autogc.supernet.start import start_weights
from autogc.supernet.supernet import Supernet
from autogc.training.features import FeatureAdapters, feature_channels, run_with_features
from autogc.training.launch import launch
from autogc.training.loop import Loop
from autogc.training.randomness import seeded
from autogc.training.sampling import limits_of, sampling_of
from autogc.training.stage import (
    DISCRIMINATOR,
    GENERATOR,
    asks_discriminator,
    build_data,
    build_generator,
    build_teacher_generator,
    count_parameters,
    example_input,
    finish,
    identity,
    is_done,
)
from autogc.training.students import FixedTeacher, SupernetStudent
from autogc.training.teacher import engines, load_discriminator, load_teacher
from autogc.training.teaching import asked_files, student_objective
from autogc.training.trainer import CriticSide, GanTrainer
from autogc.training.watch import SupernetWatch
from autogc.training.watch.verdict import rule_of
from autogc.training.weights import load_weights, save_weights, with_prefix_removed
from autogc.training.worker import Worker

SUPERNET = "supernet.safetensors"
ADAPTERS = "adapters.safetensors"
# The generator that the supernet was converted from, kept beside it: with it the conversion can be done again, the same.
ORIGIN = "origin.safetensors"
# Its proven channel groups, so that loading neither traces nor proves them again (for a deep U-Net that takes a minute).
DISCOVERY = "discovery.json"


def train_supernet(
    experiment: Experiment,
    teacher: str | Path,
    directory: str | Path,
    *,
    address: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Distil the teacher in the directory ``teacher`` into a supernet, and write ``supernet.safetensors``, ``discriminator.safetensors``
    (where the losses need one), ``adapters.safetensors``, ``origin.safetensors``, ``discovery.json``, ``history.json`` and, last,
    ``result.json`` to ``directory``.

    GAN Compression, section 3.1: the teacher's discriminator goes on learning (equation 2), intermediate features are matched through
    learned 1x1 maps (equation 3), all with the weights of ``experiment.losses`` (equation 4); the candidates of a step are drawn from
    ``experiment.space``, compression included. A directory with a result of these settings is left as it is, one with checkpoints is
    continued.

    While it trains, ``watch/`` shows what subnets make of a few validation inputs, beside answers that cost nothing (``training.watch``).

    Raises ConversionError, ConfigError (a space or layers that the generator lacks), CheckpointError, DivergenceError, RunDirectoryError,
    CollapseError (most subnets are no better than those answers; ``supernet.accept_trivial`` goes on from what was trained).
    """
    launch(
        _train,
        {
            "experiment": experiment.model_dump(mode="json"),
            "teacher": str(Path(teacher).resolve()),
            "directory": str(Path(directory).resolve()),
        },
        device=experiment.device,
        workers=experiment.workers,
        address=address,
        progress=progress or Silent(),
    )


def build_supernet(experiment: Experiment, data: Dataset, teacher_directory: str | Path) -> Supernet:
    """Convert the trained teacher to the supernet that training starts from. Raises CheckpointError, ConversionError."""
    return _convert(experiment, data, _start(experiment, data, load_teacher(experiment, data, teacher_directory)))


def load_supernet(experiment: Experiment, data: Dataset, supernet_directory: str | Path) -> Supernet:
    """Return the trained supernet, in evaluation mode, with its parameters fixed. Raises CheckpointError."""
    directory = Path(supernet_directory)
    generator = build_generator(experiment, data)
    load_weights(generator, directory / ORIGIN, what="the generator")
    supernet = _convert(experiment, data, generator, discovery=_proven(directory / DISCOVERY))
    load_weights(supernet, directory / SUPERNET, what="the supernet")
    return supernet.eval().requires_grad_(False)


def _proven(path: Path) -> Discovery:
    try:
        return Discovery.from_json(read_json(path))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is missing or damaged ({error}): remove {path.parent}, and the supernet is trained again") from error


def load_adapters(experiment: Experiment, data: Dataset, supernet_directory: str | Path) -> FeatureAdapters:
    """Return the trained maps from the supernet's features, at full width, to the teacher's. Raises CheckpointError."""
    generator = build_generator(experiment, data)
    apart = experiment.teacher.generator is not None
    adapters = _adapters(experiment, data, generator, build_teacher_generator(experiment, data) if apart else generator)
    load_weights(adapters, Path(supernet_directory) / ADAPTERS, what="the feature maps")
    return adapters


def _convert(experiment: Experiment, data: Dataset, generator: nn.Module, *, discovery: Discovery | None = None) -> Supernet:
    with seeded(experiment.seed, "convert"):
        supernet = Supernet.convert(
            generator,
            example_input(data),
            decompose=experiment.supernet.decompose,
            skip=experiment.supernet.skip,
            watch=experiment.losses.distillation_layers,
            importance=experiment.supernet.importance,
            discovery=discovery,
        )
    return supernet.requires_grad_(True)


def _apart(experiment: Experiment) -> dict[str, Any]:
    """Return what tells a supernet of another kind than its teacher from others; nothing where it is the teacher's."""
    if experiment.teacher.generator is None:
        return {}
    start = experiment.supernet.checkpoint
    return {"teacher_layers": experiment.teacher_layers, "start": None if start is None else sha256_file(start)}


def _start(experiment: Experiment, data: Dataset, teacher: nn.Module) -> nn.Module:
    """Return the generator that the supernet starts from: the teacher, or one of its own kind with fresh or given weights."""
    if experiment.teacher.generator is None:
        return teacher
    generator = build_generator(experiment, data)
    if experiment.supernet.checkpoint is not None:
        load_weights(generator, experiment.supernet.checkpoint, what="the generator")
    return generator.eval().requires_grad_(False)


def _adapters(experiment: Experiment, data: Dataset, generator: nn.Module, teacher: nn.Module) -> FeatureAdapters:
    example = example_input(data)
    channels = feature_channels(generator, example, experiment.losses.distillation_layers)
    with seeded(experiment.seed, "adapters"):
        return FeatureAdapters(channels, feature_channels(teacher, example, experiment.teacher_layers))


@torch.no_grad()
def _matched_adapters(
    experiment: Experiment, data: Dataset, generator: nn.Module, teacher: nn.Module, supernet: Supernet
) -> FeatureAdapters:
    adapters, example = _adapters(experiment, data, generator, teacher), example_input(data)
    if generator is not teacher:
        return adapters
    _, features = supernet.eval().forward_with_features(example, Candidate({}))
    adapters.match(features, run_with_features(teacher, example, supernet.watch)[1])
    return adapters


def _train(given: Mapping[str, Any], worker: Worker, progress: Progress) -> None:
    experiment = Experiment.model_validate(given["experiment"])
    teacher_directory, directory = Path(given["teacher"]), Path(given["directory"])
    config, data = experiment.supernet, build_data(experiment, teacher=teacher_directory)
    critic = asks_discriminator(experiment, data)
    teacher = load_teacher(experiment, data, teacher_directory)
    own = identity(
        experiment,
        config,
        data,
        **_apart(experiment),
        space=experiment.space.model_dump(mode="json"),
        teacher=[
            sha256_file(teacher_directory / name)
            for name in dict.fromkeys((GENERATOR, *((DISCRIMINATOR,) if critic else ()), *asked_files(experiment)))
        ],
        **({"limits": limits} if (limits := limits_of(experiment)) else {}),
    )
    loop = Loop("supernet", config, data.train, experiment.seed, directory, own)
    if worker.agree(int(worker.leads and is_done(directory, own, progress))):
        return
    start = _start(experiment, data, teacher)
    supernet = _convert(experiment, data, start)
    with seeded(experiment.seed, "start"):
        start_weights(supernet, config.start)
    space = Space.build(experiment.space, supernet)
    objective = student_objective(experiment, data, teacher_directory).to(worker.device)
    student = SupernetStudent(supernet, _matched_adapters(experiment, data, start, teacher, supernet), objective)
    critics = CriticSide(load_discriminator(experiment, data, teacher_directory / DISCRIMINATOR), objective) if critic else None
    sampling = sampling_of(experiment, supernet, space)
    fixed_teacher = FixedTeacher(teacher, experiment.teacher_layers, worker.device)
    watch = SupernetWatch(
        experiment,
        data,
        supernet=supernet,
        space=space,
        teacher=fixed_teacher,
        rule=rule_of(data.kind, objective.weights, has_critic=objective.needs_critic),
        directory=directory,
        identity=own,
        worker=worker,
        progress=progress,
    )
    trainer = GanTrainer(
        *engines(student, critics, config, worker=worker),
        objective=objective,
        choose=sampling,
        teacher=fixed_teacher,
    )
    outcome = loop.run(trainer, worker, progress, watchers=[watch])
    if watch.refuses(trainer):
        loop.keep(trainer, worker, outcome, watchers=[watch])
        trainer.close()
        if worker.leads:
            raise CollapseError(watch.refusal())
        return
    weights = trainer.weights()
    discriminator = None if trainer.discriminator is None else trainer.discriminator.tensors()
    if worker.leads:
        if start is teacher:
            with replacing(directory / ORIGIN) as beside:
                shutil.copyfile(teacher_directory / GENERATOR, beside)
        else:
            save_weights(directory / ORIGIN, start.state_dict())
        write_json(directory / DISCOVERY, supernet.discovery.to_json())
        files = {
            SUPERNET: with_prefix_removed(weights, "supernet."),
            ADAPTERS: with_prefix_removed(weights, "adapters."),
        }
        if discriminator is not None:
            files[DISCRIMINATOR] = with_prefix_removed(discriminator, "net.")
        finish(loop, outcome, worker, files, parameters=count_parameters(supernet))
    trainer.close()
