"""Looking at a generator: what its supernet can vary and what that is worth. Nothing is trained, and no data is needed."""

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
from autogc.cost import CostModel, fvcore_macs
from autogc.errors import ConfigError
from autogc.models import build_generator_component
from autogc.pipeline.check import check
from autogc.pipeline.check_components import tree_problems
from autogc.supernet.automatic import OPERATORS, complete_space
from autogc.supernet.candidate import Candidate
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet
from autogc.training.randomness import seeded
from autogc.training.stage import example_input

# What an experiment must say and the look at a generator does not depend on.
BESIDE_THE_POINT: dict[str, Any] = {
    "name": "inspected",
    "data": {"name": "none"},
    "teacher": {"steps": 1},
    "supernet": {"steps": 1},
    "finetune": {"steps": 1},
}


@dataclass(frozen=True)
class Inspected:
    """A converted generator with fresh weights, its space, and the costs of the subnets at both ends.

    ``counts`` maps ``full`` and ``smallest`` to their costs, with fvcore's own count of their MACs beside (``fvcore_macs``).
    ``suggestion`` is what the file may say of ``supernet`` and ``space`` and does not; empty where it says it all.
    """

    label: str
    supernet: Supernet
    space: Space
    counts: Mapping[str, Mapping[str, int]]
    suggestion: Mapping[str, Any]


def inspect(path: str | Path, *, overrides: Sequence[str] = ()) -> Inspected:
    """Convert the generator of an experiment file, or of one that has nothing but ``generator`` with its ``input_shape``.

    With ``data`` in it the file is an experiment, and checked like one. Raises ConfigError with every problem of the file,
    ConversionError where the generator can't be traced.
    """
    tree, problems = read_tree(path, overrides=overrides)
    if "data" in tree:
        experiment = load_experiment(path, overrides=overrides, also=tree_problems)
        checked = check(experiment)
        return _inspected(experiment, checked.supernet, checked.space, checked.costs, example_input(checked.data))
    experiment = _filled_in(tree, problems, source=str(path))
    shape = experiment.generator.input_shape
    if shape is None:
        problems = ["generator.input_shape: is required where the file has no data: [C, H, W] of one input, such as [3, 256, 256]"]
        raise ConfigError(problems, source=str(path))
    # The same noise as checks and exports use, in [-1, 1].
    example = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    supernet = Supernet.convert(
        _running(experiment.generator, example, seed=experiment.seed),
        example,
        decompose=experiment.supernet.decompose,
        watch=experiment.losses.distillation_layers,
        importance=experiment.supernet.importance,
    )
    space = Space.build(experiment.space, supernet)
    return _inspected(experiment, supernet, space, CostModel(supernet, space), example)


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


def _inspected(experiment: Experiment, supernet: Supernet, space: Space, costs: CostModel, example: Tensor) -> Inspected:
    ends = {"full": Candidate({}), "smallest": space.candidate(space.smallest())}
    counts = {
        name: {**costs.costs(candidate), "fvcore_macs": fvcore_macs(supernet.extract(candidate), example)}
        for name, candidate in ends.items()
    }
    return Inspected(experiment.generator.label, supernet, space, counts, _suggestion(experiment, supernet))


def _suggestion(experiment: Experiment, supernet: Supernet) -> dict[str, Any]:
    """Return sections, YAML-ready: the space as it is made where the file says none, and separable operators where they can be."""
    found: dict[str, Any] = {}
    space = complete_space(experiment.space, supernet).model_dump(mode="json", exclude_defaults=True)
    missing = {key: space[key] for key in ("stages", "dimensions") if getattr(experiment.space, key) is None}
    if supernet.decomposable and not experiment.supernet.decompose:
        found["supernet"] = {"decompose": list(supernet.decomposable)}
        if "dimensions" in missing:
            missing["dimensions"]["operator"] = {"choices": {"*": list(OPERATORS)}}
    return {**found, "space": missing} if missing else found
