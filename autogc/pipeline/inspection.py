"""Looking at a generator: what its supernet can vary and what that is worth. Nothing is trained, and no data is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from autogc.config.experiment import Experiment
from autogc.config.load import load_experiment, read_tree
from autogc.config.recipes import RECIPES
from autogc.config.schema import flatten
from autogc.cost import CostModel, fvcore_macs
from autogc.pipeline.check import check
from autogc.pipeline.check_components import tree_problems
from autogc.pipeline.subject import open_alone
from autogc.supernet.automatic import OPERATORS, complete_space
from autogc.supernet.candidate import Candidate
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet
from autogc.supernet.units import FoundUnits, find_units
from autogc.training.stage import example_input


@dataclass(frozen=True)
class InspectedRecipe:
    """``values`` are the recipe's by dotted key, each with the experiment's; ``changed`` whether the recipe was another when the run that
    this experiment is from began."""

    name: str
    paper: str
    differs: str
    values: Mapping[str, tuple[Any, Any]]
    changed: bool


@dataclass(frozen=True)
class Inspected:
    """A converted generator with fresh weights, its space, and the costs of the subnets at both ends.

    ``counts`` maps ``full`` and ``smallest`` to their costs, with fvcore's own count of their MACs beside (``fvcore_macs``).
    ``units`` are the parts that ``supernet.skip`` could name. ``suggestion`` is what the file may say of ``supernet`` and ``space`` and
    does not; empty where it says it all. ``recipe`` is what its recipe stands for, None without one.
    """

    label: str
    supernet: Supernet
    space: Space
    counts: Mapping[str, Mapping[str, int]]
    suggestion: Mapping[str, Any]
    units: FoundUnits
    recipe: InspectedRecipe | None = None


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
    subject = open_alone(tree, problems, source=str(path))
    return _inspected(subject.experiment, subject.supernet, subject.space, subject.costs, subject.example)


def _inspected(experiment: Experiment, supernet: Supernet, space: Space, costs: CostModel, example: Tensor) -> Inspected:
    ends = {"full": Candidate({}), "smallest": space.candidate(space.smallest())}
    counts = {
        name: {**costs.costs(candidate), "fvcore_macs": fvcore_macs(supernet.extract(candidate), example)}
        for name, candidate in ends.items()
    }
    units = find_units(supernet.module, example[:1])
    suggestion = _suggestion(experiment, supernet)
    return Inspected(experiment.generator.label, supernet, space, counts, suggestion, units, inspected_recipe(experiment))


def inspected_recipe(experiment: Experiment) -> InspectedRecipe | None:
    """Return what the experiment's recipe stands for and what the experiment has in its place; None where it has none that is known."""
    record = experiment.recipe
    if record is None or record.name not in RECIPES:
        return None
    recipe = RECIPES[record.name]
    here, usual = flatten(experiment.model_dump(mode="json")), flatten(recipe.settings)
    values = {key: (value, here.get(key)) for key, value in usual.items()}
    return InspectedRecipe(record.name, recipe.paper, recipe.differs, values, changed=record.sha256 != recipe.sha256)


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
