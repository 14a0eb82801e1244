"""The generator of a file, converted with fresh weights: what can be looked at before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autogc.config.experiment import Experiment
from autogc.config.generator import GeneratorConfig
from autogc.config.load import load_experiment, read_tree, validated
from autogc.cost import CostModel
from autogc.errors import ConfigError
from autogc.models import build_generator_component
from autogc.pipeline.check_components import problems_of_parts, tree_problems
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet
from autogc.training.randomness import seeded
from autogc.training.stage import build_data, build_generator, example_input

# What an experiment must say and the look at a generator does not depend on.
BESIDE_THE_POINT: dict[str, Any] = {
    "name": "inspected",
    "data": {"name": "none"},
    "teacher": {"steps": 1},
    "supernet": {"steps": 1},
    "finetune": {"steps": 1},
}


@dataclass(frozen=True)
class Subject:
    """A converted generator with fresh weights, its space and costs, and the input (1, C, H, W) that these are counted at."""

    experiment: Experiment
    supernet: Supernet
    space: Space
    costs: CostModel
    example: Tensor


def open_subject(path: str | Path, *, overrides: Sequence[str] = ()) -> Subject:
    """Convert the generator of an experiment file, or of one that has nothing but ``generator`` with its ``input_shape``.

    Of ``data``, where the file has it, the folders are looked through and nothing is decoded. Whether constraints can be met is not asked.
    Raises ConfigError with every problem of the file, DataError without the data, ConversionError where the generator can't be traced.
    """
    tree, problems = read_tree(path, overrides=overrides)
    if "data" not in tree:
        return open_alone(tree, problems, source=str(path))
    experiment = load_experiment(path, overrides=overrides, also=tree_problems)
    found = problems_of_parts(experiment)
    if found:
        raise ConfigError(found, source=str(path))
    data = build_data(experiment)
    return _converted(experiment, build_generator(experiment, data), example_input(data))


def open_alone(tree: Mapping[str, Any], problems: list[str], *, source: str) -> Subject:
    """The same of a file without data, as ``read_tree`` gave it."""
    experiment = _filled_in(tree, problems, source=source)
    shape = experiment.generator.input_shape
    if shape is None:
        problems = ["generator.input_shape: is required where the file has no data: [C, H, W] of one input, such as [3, 256, 256]"]
        raise ConfigError(problems, source=source)
    # The same noise as checks and exports use, in [-1, 1].
    example = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return _converted(experiment, _running(experiment.generator, example, seed=experiment.seed), example)


def _converted(experiment: Experiment, generator: nn.Module, example: Tensor) -> Subject:
    supernet = Supernet.convert(
        generator,
        example,
        decompose=experiment.supernet.decompose,
        skip=experiment.supernet.skip,
        watch=experiment.losses.distillation_layers,
        importance=experiment.supernet.importance,
    )
    space = Space.build(experiment.space, supernet)
    return Subject(experiment, supernet, space, CostModel(supernet, space), example)


def _filled_in(tree: Mapping[str, Any], problems: list[str], *, source: str) -> Experiment:
    """Return the experiment that the file would be part of. Raises ConfigError with every problem of what is there."""
    whole = dict(tree)
    for key, usual in BESIDE_THE_POINT.items():
        if key not in tree:
            whole[key] = usual
        elif isinstance(usual, dict) and isinstance(tree[key], dict):
            whole[key] = {**usual, **tree[key]}
    experiment = validated(whole, problems, source=source, also=lambda _: tree_problems(tree))
    found = tree_problems(tree)
    if found:
        raise ConfigError(found, source=source)
    return experiment


def _running(generator: GeneratorConfig, example: Tensor, *, seed: int) -> nn.Module:
    """Build the generator and run it once. Raises ConfigError where it can't be built or doesn't make images of ``example``."""
    args = generator.args
    if generator.name is not None and "out_channels" not in args:
        raise ConfigError(f"generator: {generator.label!r} needs args.out_channels (3 for RGB) where the file has no data to say it")
    with seeded(seed, "generator"):
        module = build_generator_component(generator, in_channels=example.shape[1], out_channels=args.get("out_channels", 0))
    shape = " x ".join(map(str, example.shape[1:]))
    try:
        with torch.no_grad():
            made = module.eval()(example)
    except Exception as error:  # a user's forward may raise anything
        reason = "; ".join(error.problems) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
        raise ConfigError(f"generator {generator.label!r} does not run on an input of {shape}: {reason}") from error
    if not isinstance(made, Tensor) or made.ndim != 4:
        found = f"a tensor of shape {tuple(made.shape)}" if isinstance(made, Tensor) else f"a {type(made).__name__}"
        raise ConfigError(f"generator {generator.label!r} makes {found} of an input of {shape}; it must make images (N, C, H, W)")
    return module.train()
