"""What is wrong with an experiment's names, arguments, devices and DeepSpeed sections: told without building anything.

All of it is asked of the file's keys and values, part by part, so that it can be told of a file too that the schema refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from autogc.compression import DIMENSIONS
from autogc.config.experiment import (
    Component,
    Experiment,
    FinetuneConfig,
    LossWeights,
    Optimization,
    SupernetConfig,
    TeacherConfig,
    TermConfig,
)
from autogc.config.generator import GeneratorConfig
from autogc.config.recipes import RECIPES
from autogc.config.section import Section
from autogc.cost.latency import BACKENDS, backend_of, latency_device
from autogc.data import DATASETS
from autogc.errors import ConfigError, nearest
from autogc.losses import ADVERSARIAL, PERCEPTUAL
from autogc.losses.terms import TERMS
from autogc.metrics import FEATURE_NETWORKS, SEGMENTERS, SIMILARITIES
from autogc.metrics.networks import AUTO
from autogc.models import DISCRIMINATORS, generator_problems
from autogc.registry import Registry
from autogc.search import SAMPLERS
from autogc.training.deepspeed_config import complete

Tree = Mapping[str, Any]
Part = TypeVar("Part", bound=Section)
# What builders that want it are told of the dataset.
SIZE = ("height", "width")
# Where a registered thing is named, what the builder is given whatever the file says, and what it is offered.
REGISTERED: tuple[tuple[str, Registry[Any], tuple[str, ...], tuple[str, ...]], ...] = (
    ("data", DATASETS, ("seed",), ()),
    ("discriminator", DISCRIMINATORS, ("in_channels",), (*SIZE, "domains")),
    ("losses.adversarial", ADVERSARIAL, (), ()),
    ("losses.perceptual", PERCEPTUAL, (), ()),
    ("scores.feature_network", FEATURE_NETWORKS, ("data", "seed"), ()),
    ("scores.segmenter", SEGMENTERS, ("data", "seed"), ()),
    ("scores.similarity", SIMILARITIES, ("data", "seed"), ()),
    ("search.sampler", SAMPLERS, (), ()),
)
TRAININGS: dict[str, type[Optimization]] = {"teacher": TeacherConfig, "supernet": SupernetConfig, "finetune": FinetuneConfig}


def tree_problems(tree: Tree) -> list[str]:
    """Return every such problem of an experiment's keys and values. What the schema refuses is left to the schema."""
    return [*recipe_problems(tree), *component_problems(tree), *device_problems(tree), *deepspeed_problems(tree)]


def problems_of_parts(experiment: Experiment) -> list[str]:
    """The same of an experiment."""
    return tree_problems(experiment.model_dump())


def recipe_problems(tree: Tree) -> Iterator[str]:
    """Yield what the experiment's recipe asks for and it does not say."""
    name = _at(tree, "recipe.name")
    if name in RECIPES:
        for key, what in RECIPES[name].missing(tree).items():
            yield f"{key}: the recipe {name} needs {what}"


def component_problems(tree: Tree) -> Iterator[str]:
    """Yield what is wrong with the names and arguments of registered things, and with a generator of the user's own."""
    for key in ("generator", "teacher.generator"):
        generator = _read(GeneratorConfig, tree, key)
        # A class whose source has no hash was looked for in vain, which is told by who looked, or will be when it is built.
        if generator is not None and (generator.module is None or generator.source_sha256 is not None):
            known = ("in_channels", "out_channels", *SIZE)
            yield from (f"{key}: {problem}" for problem in generator_problems(generator, offered=known))
    for key, registry, given, offered in REGISTERED:
        part = _read(Component, tree, key)
        if part is None or (key.startswith("scores.") and part.name == AUTO):  # what it stands for is a matter of the data
            continue
        yield from (f"{key}: {problem}" for problem in registry.problems(part.name, part.args, given=given, offered=offered))
    terms = _at(tree, "losses.terms")
    for key, value in terms.items() if isinstance(terms, Mapping) else ():
        term = _read(TermConfig, {"term": {"weight": value} if isinstance(value, int | float) else value}, "term")
        if term is not None:
            yield from (f"losses.terms.{key}: {problem}" for problem in TERMS.problems(term.name or str(key), term.args))
    dimensions = _at(tree, "space.dimensions")
    for name in dimensions if isinstance(dimensions, Mapping) else ():
        if name not in DIMENSIONS:
            yield f"space.dimensions: no dimension named {name!r}: {nearest(str(name), DIMENSIONS)}"


def device_problems(tree: Tree) -> Iterator[str]:
    """Yield what is wrong with the devices that the experiment names."""
    for key in ("device", "scores.latency.device"):
        name = _at(tree, key)
        if not isinstance(name, str) or (name == "auto" and key == "device"):
            continue
        try:
            found = latency_device(name)
        except ConfigError as error:
            yield from (f"{key}: {problem}" for problem in error.problems)
            continue
        backend = _at(tree, "scores.latency.backend")
        if key == "scores.latency.device" and backend in BACKENDS:
            try:
                backend_of(str(backend), found)
            except ConfigError as error:
                yield from (f"scores.latency.backend: {problem}" for problem in error.problems)


def deepspeed_problems(tree: Tree) -> Iterator[str]:
    """Yield what is wrong with the DeepSpeed configurations of the trainings."""
    workers = tree.get("workers", 1)
    for stage, kind in TRAININGS.items():
        config = _read(kind, tree, stage)
        if config is None or not isinstance(workers, int) or workers < 1:
            continue
        try:
            complete(config, workers=workers)
        except ConfigError as error:
            yield from (f"{stage}.{problem}" for problem in error.problems)


def _read(kind: type[Part], tree: Tree, key: str) -> Part | None:
    """Return the part of the tree at a dotted key; None where it is absent or the schema refuses it."""
    value = _at(tree, key)
    try:
        if key == "losses.adversarial" and value is not None:
            return LossWeights.model_validate({"adversarial": value}).adversarial  # type: ignore[return-value]  # may be a name alone
        return None if value is None else kind.model_validate(value)
    except ValidationError:
        return None


def _at(tree: Tree, key: str) -> Any:
    here: Any = tree
    for part in key.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here
