"""What every training stage does around its training: know whether it is done, build its parts, write its result last."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autogc import __version__
from autogc.config.experiment import Experiment, Optimization
from autogc.data import Dataset, open_data
from autogc.errors import RunDirectoryError
from autogc.files import read_json, sha256_json, write_json
from autogc.models import DISCRIMINATORS, GENERATORS
from autogc.progress import Progress
from autogc.training.loop import Loop, Outcome
from autogc.training.randomness import seeded
from autogc.training.weights import save_weights
from autogc.training.worker import Worker

GENERATOR = "generator.safetensors"
DISCRIMINATOR = "discriminator.safetensors"
RESULT = "result.json"
HISTORY = "history.json"
# What of a stage's configuration changes how it runs but not what comes out.
WITHOUT_EFFECT = ("checkpoint_every", "log_every", "calibration_images")


def build_data(experiment: Experiment) -> Dataset:
    """Build the experiment's dataset."""
    return open_data(experiment.data, seed=experiment.seed)


def build_generator(experiment: Experiment, data: Dataset) -> nn.Module:
    """Build the generator with fresh weights, a function of the experiment's seed."""
    component = experiment.generator
    with seeded(experiment.seed, "generator"):
        return GENERATORS.build(component.name, component.args, in_channels=data.input_channels, out_channels=data.target_channels)


def build_discriminator(experiment: Experiment, data: Dataset) -> nn.Module:
    """Build the discriminator, which sees input and image, with fresh weights, a function of the experiment's seed."""
    component = experiment.discriminator
    with seeded(experiment.seed, "discriminator"):
        return DISCRIMINATORS.build(component.name, component.args, in_channels=data.input_channels + data.target_channels)


def example_input(data: Dataset) -> Tensor:
    """Return an input (1, C, H, W) in [-1, 1] of the dataset's shape, noise that is always the same."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, data.input_channels, data.height, data.width, generator=generator) * 2 - 1


def identity(experiment: Experiment, config: Optimization, data: Dataset, **inputs: Any) -> str:
    """Return a hash of everything that decides a training's result; ``inputs`` are those of the stage alone, JSON-ready."""
    return sha256_json(
        {
            "config": config.model_dump(mode="json", exclude=set(WITHOUT_EFFECT)),
            "data": data.fingerprint,
            "inputs": inputs,
        }
        | {key: experiment.model_dump(mode="json")[key] for key in ("seed", "generator", "discriminator", "losses")}
    )


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


def finish(loop: Loop, outcome: Outcome, worker: Worker, tensors: Mapping[str, Mapping[str, Tensor]], *, parameters: int) -> None:
    """Write the stage's files, ``result.json`` last, which says that the others are whole; then drop the checkpoints. Rank 0 only.

    ``parameters`` counts the trained generator's.
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
    )
    loop.checkpoints.remove()


def write_result(directory: Path, **figures: Any) -> None:
    """Write ``result.json`` with the versions that it came about with."""
    names = ("torch", "deepspeed", "safetensors")
    versions = {name: importlib.metadata.version(name) for name in names} | {"autogc": __version__, "python": platform.python_version()}
    write_json(directory / RESULT, figures | {"versions": versions})


def count_parameters(module: nn.Module) -> int:
    """Return how many numbers a module learns."""
    return sum(parameter.numel() for parameter in module.parameters())


def describe_device(device: torch.device) -> str:
    """Return a device's name as people know it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()}, {torch.get_num_threads()} threads)"
