"""What every training stage does around its training: know whether it is done, build its parts, write its result last."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autogc import __version__
from autogc.config.experiment import Experiment, Optimization, StudentsConfig, SupernetConfig, TeacherConfig
from autogc.config.generator import GeneratorConfig
from autogc.data import Dataset, open_data
from autogc.errors import RunDirectoryError
from autogc.files import read_json, sha256_file, sha256_json, write_json
from autogc.losses.terms import TERMS
from autogc.models import DISCRIMINATORS, build_generator_component
from autogc.progress import Progress
from autogc.training.loop import Loop, Outcome
from autogc.training.randomness import seeded
from autogc.training.tasks import IMITATION, task_of
from autogc.training.weights import save_weights
from autogc.training.worker import Worker

GENERATOR = "generator.safetensors"
DISCRIMINATOR = "discriminator.safetensors"
RESULT = "result.json"
HISTORY = "history.json"
# What of a stage's configuration changes how it runs but not what comes out.
WITHOUT_EFFECT = ("checkpoint_every", "log_every", "calibration_images", "watch_every", "watch_images", "accept_trivial")
# Keys that came later, with the value at which a training is the one that it was before they came.
LATER: dict[str, Any] = {"average": None, "validate_every": None, "optimizer": "adam", "start": "teacher", "subnets": 1, "skip": []}


def build_data(experiment: Experiment, *, teacher: str | Path | None = None) -> Dataset:
    """Build the experiment's dataset. In imitation its targets are the teacher's outputs, which are read from the directory ``teacher``
    where they are; otherwise they are made when they are first asked for."""
    if experiment.task == IMITATION:
        from autogc.training.imitation import imitated_data  # it builds generators, as this module does

        return imitated_data(experiment, teacher=teacher)
    return open_data(experiment.data, seed=experiment.seed)


def build_generator(experiment: Experiment, data: Dataset, *, way: str | None = None) -> nn.Module:
    """Build the generator with fresh weights, a function of the experiment's seed; with a ``way``, that companion, from targets to
    inputs."""
    return _built(experiment.generator, experiment, data, way)


def build_teacher_generator(experiment: Experiment, data: Dataset, *, way: str | None = None) -> nn.Module:
    """The same of the teacher's generator, where it is another."""
    return _built(experiment.teacher_generator, experiment, data, way)


def _built(generator: GeneratorConfig, experiment: Experiment, data: Dataset, way: str | None) -> nn.Module:
    with seeded(experiment.seed, f"generator{_suffix(way)}"):
        return build_generator_component(generator, **given_to_generator(data, way=way))


def given_to_generator(data: Dataset, *, way: str | None = None) -> dict[str, Any]:
    """Return what a generator's builder is told of the data, as ``build_generator_component`` takes it."""
    channels = (data.input_channels, data.target_channels) if way is None else (data.target_channels, data.input_channels)
    return {"in_channels": channels[0], "out_channels": channels[1], "offered": {"height": data.height, "width": data.width}}


def build_discriminator(experiment: Experiment, data: Dataset, *, way: str | None = None) -> nn.Module:
    """Build the discriminator with fresh weights, a function of the experiment's seed; ``way`` as in ``build_generator``."""
    component = experiment.discriminator
    channels = task_of(experiment, data).teacher.critic_channels(data)
    height, width = critic_size(data)
    offered = {"height": height, "width": width, "domains": len(data.domain_names)}
    with seeded(experiment.seed, f"discriminator{_suffix(way)}"):
        return DISCRIMINATORS.build(component.name, component.args, in_channels=channels, offered=offered)


def asks_discriminator(experiment: Experiment, data: Dataset) -> bool:
    """Return whether anything of the experiment's losses needs a discriminator. Where nothing does, none is built, trained or kept."""
    task, losses = task_of(experiment, data), experiment.losses
    terms = [TERMS.build(name, term.args) for name, term in losses.active_terms().values()]
    asked = task.teacher.asks_critic(losses) or task.student.asks_critic(losses.of_students())
    return asked or any(term.discriminator is not None for term in terms)


def critic_size(data: Dataset) -> tuple[int, int]:
    """Return the height and width of what discriminators see: training's crops. In super-resolution costs are counted at another size."""
    return data.train.crop or (data.height, data.width)


def example_input(data: Dataset) -> Tensor:
    """Return an input (1, Cin, h, w) in [-1, 1] of the dataset's shape, noise that is always the same."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, *data.input_shape, generator=generator) * 2 - 1


def identity(experiment: Experiment, config: Optimization, data: Dataset, **inputs: Any) -> str:
    """Return a hash of everything that decides a training's result; ``inputs`` are those of the stage alone, JSON-ready."""
    return sha256_json(
        {
            "config": _settings(config),
            "data": data.fingerprint,
            "inputs": inputs,
        }
        | _measured_with(experiment)
        | {key: experiment.model_dump(mode="json")[key] for key in ("seed", "task", "discriminator")}
        | {"losses": _losses(experiment), "generator": _generator(experiment, config).identity}
        | _learned_from(experiment)
    )


def _settings(config: Optimization) -> dict[str, Any]:
    """Return a stage's own configuration, without what has no effect on the result, and what came later and is as it was before.

    What only a teacher of another kind has is left out too: its generator, and the weights that a supernet starts from, are told apart by
    their content."""
    apart = {TeacherConfig: {"generator", "distillation_layers"}, SupernetConfig: {"checkpoint"}}
    settings = config.model_dump(mode="json", exclude={*WITHOUT_EFFECT, *apart.get(type(config), set())})
    return {name: value for name, value in settings.items() if name not in LATER or value != LATER[name]}


def _learned_from(experiment: Experiment) -> dict[str, Any]:
    """Return what students learn from, where the experiment says it: without that, trainings of before it could be said stay the same."""
    return {} if experiment.students == StudentsConfig() else {"students": experiment.students.model_dump(mode="json")}


def _generator(experiment: Experiment, config: Optimization) -> GeneratorConfig:
    """Return the generator that a stage trains: the teacher's in its own stage."""
    return experiment.teacher_generator if isinstance(config, TeacherConfig) else experiment.generator


def _losses(experiment: Experiment) -> dict[str, Any]:
    """Return the losses, without the sections that are empty: they were not there when the first results were written."""
    losses = experiment.losses.model_dump(mode="json")
    students = {key: value for key, value in losses.pop("students").items() if value is not None}
    terms = losses.pop("terms")
    return losses | ({"students": students} if students else {}) | ({"terms": terms} if terms else {})


def _measured_with(experiment: Experiment) -> dict[str, Any]:
    """Return the content of the files that the perceptual term's network is made of, where there are any."""
    perceptual = experiment.losses.perceptual
    args = {} if perceptual is None else perceptual.args
    hashes = {key: sha256_file(value) for key, value in args.items() if isinstance(value, str) and Path(value).is_file()}
    return {"perceptual_files": hashes} if hashes else {}


def is_done(directory: Path, expected: str, progress: Progress) -> bool:
    """Return whether the result of the training ``expected`` (its identity) is in ``directory``.

    Raises RunDirectoryError when another training's is.
    """
    if not (directory / RESULT).is_file():
        return False
    if read_json(directory / RESULT)["identity"] != expected:
        raise RunDirectoryError(
            f"{directory} holds the result of a training with other settings (data, networks, losses, steps or rates); "
            "use another directory, or remove it"
        )
    progress.note(f"{directory}: already trained")
    return True


def finish(
    loop: Loop,
    outcome: Outcome,
    worker: Worker,
    tensors: Mapping[str, Mapping[str, Tensor]],
    *,
    parameters: int,
    validation: Mapping[str, Any] | None = None,
) -> None:
    """Write the stage's files, ``result.json`` last, which says that the others are whole; then drop the checkpoints. Rank 0 only.

    ``parameters`` counts the trained generator's; ``validation`` says which step was kept, where they were compared.
    """
    assert worker.leads
    for name, state in tensors.items():
        save_weights(loop.directory / name, state)
    write_json(loop.directory / HISTORY, outcome.history)
    write_result(
        loop.directory,
        identity=loop.identity,
        steps=loop.config.steps,
        seconds=outcome.seconds,
        losses={name: value for name, value in outcome.history[-1].items() if name != "step"},
        workers=worker.workers,
        device=describe_device(worker.device),
        parameters=parameters,
        **({} if validation is None else {"validation": dict(validation)}),
    )
    loop.checkpoints.remove()


def file_of(name: str, way: str | None) -> str:
    """Return the name of a companion's file: ``generator_back.safetensors``."""
    stem, dot, suffix = name.partition(".")
    return f"{stem}{_suffix(way)}{dot}{suffix}"


def _suffix(way: str | None) -> str:
    return "" if way is None else f"_{way}"


def write_result(directory: Path, **figures: Any) -> None:
    """Write ``result.json`` with the versions that it came about with."""
    versions = {"autogc": __version__, "python": platform.python_version()}
    for name in ("torch", "deepspeed", "safetensors"):
        # A teacher that was trained elsewhere is taken over without DeepSpeed.
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    write_json(directory / RESULT, figures | {"versions": versions})


def count_parameters(module: nn.Module) -> int:
    """Return how many numbers a module learns."""
    return sum(parameter.numel() for parameter in module.parameters())


def describe_device(device: torch.device) -> str:
    """Return a device's name as people know it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()}, {torch.get_num_threads()} threads)"
