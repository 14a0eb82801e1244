"""Everything that can be wrong with an experiment, found before anything is trained."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from autogc.config.experiment import Component, Experiment
from autogc.config.generator import GeneratorConfig
from autogc.cost import CostModel, measure_latency, prove
from autogc.data import Dataset
from autogc.errors import AutogcError, CheckpointError, ConfigError, DataError, InfeasibleError
from autogc.losses import PERCEPTUAL
from autogc.metrics import metric, statistics
from autogc.metrics.catalogue import lacking, too_few
from autogc.metrics.judge_networks.download import Published
from autogc.metrics.networks import Networks
from autogc.pipeline.check_components import problems_of_parts
from autogc.pipeline.check_networks import input_problems, network_problems, task_problems, teacher_problems
from autogc.pipeline.check_terms import term_problems
from autogc.pipeline.generator_costs import generator_costs
from autogc.pipeline.latency import check_table, known_costs
from autogc.progress import Progress, Silent
from autogc.search.encoding import Encoding
from autogc.search.feasibility import FeasibleRegion, check_feasible
from autogc.search.past import Past
from autogc.search.samplers import Setting, directions_of, make_plan
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet
from autogc.training.stage import (
    asks_discriminator,
    build_data,
    build_discriminator,
    build_generator,
    build_teacher_generator,
    example_input,
)
from autogc.training.weights import load_weights

Built = TypeVar("Built")

# How many times longer than on a quiet machine a run may seem to take beside other work; 15 was seen.
BUSY_FACTOR = 50


@dataclass(frozen=True)
class Checked:
    """What checking an experiment has built: the decoded data, a supernet with untrained weights, its space and costs.

    ``downloads`` are the published weights that judging needs and this machine does not have yet. ``teacher_costs`` are those of a
    teacher of another kind than the supernet's generator; None where it is the same.
    """

    data: Dataset
    supernet: Supernet
    space: Space
    costs: CostModel
    downloads: tuple[Published, ...] = ()
    teacher_costs: Mapping[str, int] | None = None


def check(experiment: Experiment, *, progress: Progress | None = None, begun: bool = False) -> Checked:
    """Build everything that the experiment names, decode the data, and see that the constraints can be met. Trains nothing, writes nothing.

    A search that has ``begun`` has what it starts from: other runs' directories may be gone.

    Raises ConfigError with every problem that the file has, DataError for data that can't be used, CheckpointError for a checkpoint or a
    judging network's weights that don't fit, ConversionError for a generator that can't be converted, InfeasibleError for constraints that
    nothing can meet.
    """
    problems = problems_of_parts(experiment)
    if problems:
        raise ConfigError(problems)
    check_table(experiment)
    data, problems = _attempt("data", experiment.data, lambda: build_data(experiment))
    if data is None:
        raise ConfigError(problems)
    problems = [*task_problems(experiment, data), *input_problems(experiment, data)]
    if problems:
        raise ConfigError(problems)
    networks, problems = judging_networks(experiment, data)
    generator, found = _attempt("generator", experiment.generator, lambda: build_generator(experiment, data))
    problems += found
    teacher = generator
    if experiment.teacher.generator is not None:
        other = experiment.teacher.generator
        teacher, found = _attempt("teacher.generator", other, lambda: build_teacher_generator(experiment, data))
        problems += found
    asked, discriminator = asks_discriminator(experiment, data), None
    if asked:
        discriminator, found = _attempt("discriminator", experiment.discriminator, lambda: build_discriminator(experiment, data))
        problems += found
    perceptual = experiment.losses.perceptual
    losses = experiment.losses
    if perceptual is not None and (losses.perceptual_weight or losses.students.perceptual_weight or losses.active_terms()):
        problems += _attempt("losses.perceptual", perceptual, lambda: PERCEPTUAL.build(perceptual.name, perceptual.args))[1]
    downloads = () if networks is None else networks.downloads
    if networks is not None and (discriminator is not None or not asked):
        problems += _judged_by(networks, discriminator)
    del networks  # They may be large, and are not needed until something is scored.
    if generator is not None and teacher is not None and (discriminator is not None or not asked):
        problems += network_problems(experiment, data, generator, discriminator)
        problems += [] if problems or teacher is generator else teacher_problems(experiment, data, generator, teacher)
        problems += [] if problems else term_problems(experiment, data, generator, discriminator, teacher=teacher)
    if problems:
        raise ConfigError(problems)
    assert generator is not None and teacher is not None
    data.check(progress or Silent())
    check_checkpoints(experiment, teacher, discriminator)
    if experiment.supernet.checkpoint is not None:
        load_weights(generator, experiment.supernet.checkpoint, what="the generator")
    supernet = Supernet.convert(
        generator,
        example_input(data),
        decompose=experiment.supernet.decompose,
        skip=experiment.supernet.skip,
        watch=experiment.losses.distillation_layers,
        importance=experiment.supernet.importance,
    )
    space = Space.build(experiment.space, supernet)
    costs = known_costs(experiment, supernet, space)
    prove(supernet, costs, space.candidate(space.smallest()), example=example_input(data))
    check_constraints(experiment, supernet=supernet, space=space, costs=costs, example=example_input(data))
    check_first_images(experiment, data)
    check_sampler(experiment, costs, begun=begun)
    apart = None if teacher is generator else generator_costs(teacher, data)
    return Checked(data, supernet, space, costs, downloads, apart)


def judging_networks(experiment: Experiment, data: Dataset) -> tuple[Networks | None, list[str]]:
    """Return the networks that judge and, with what is wrong with them, which objectives this data and these networks can't score."""
    try:
        networks = Networks.build(experiment.scores, data, seed=experiment.seed)
    except ConfigError as error:
        return None, error.problems
    except (ArithmeticError, RuntimeError, TypeError) as error:
        return None, [f"scores: a network can't be built with its args: {error}"]
    try:
        statistics.given(experiment.scores, networks, data, trained=False)
    except ConfigError as error:
        return networks, error.problems
    offers = networks.offers(data, experiment.scores.pixels)
    scores = experiment.scored
    problems = [problem for name in scores for problem in lacking(name, offers)]
    images = min(len(data.validation), experiment.search.images or len(data.validation))
    setting = metric.Setting.of(experiment.scores, data, seed=experiment.seed)
    problems += too_few(scores, setting, generated=images).values()
    return networks, [f"{_asked_at(experiment, problem.partition(' ')[0])}: {problem}" for problem in problems]


def _asked_at(experiment: Experiment, score: str) -> str:
    """Return the key that asks for a score of every candidate."""
    search = experiment.search
    return "search.objectives" if score in search.objectives else "search.constraints" if score in search.constraints else "export.pick"


def _judged_by(networks: Networks, discriminator: nn.Module | None) -> list[str]:
    """Return why networks cannot judge by such a discriminator as the teacher is to have."""
    try:
        networks.take(None if discriminator is None else lambda: copy.deepcopy(discriminator))
    except ConfigError as error:
        return [f"scores.feature_network: {problem}" for problem in error.problems]
    return []


def _attempt(key: str, component: Component | GeneratorConfig, build: Callable[[], Built]) -> tuple[Built | None, list[str]]:
    """Build what ``component`` names; return it, or what its builder had against the arguments. Files that can't be used are errors."""
    try:
        return build(), []
    except (CheckpointError, DataError):
        raise
    except AutogcError as error:
        return None, [f"{key}: {problem}" for problem in getattr(error, "problems", [str(error)])]
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        # A class of the user's own says so itself.
        return None, [f"{key}: {component.name!r} can't be built with {dict(component.args)}: {error}"]


def check_first_images(experiment: Experiment, data: Dataset) -> None:
    """Raise ConfigError where the first images of a candidate would be all of them."""
    search = experiment.search
    images = min(search.images or len(data.validation), len(data.validation))
    if search.first_images is not None and search.first_images >= images:
        raise ConfigError(f"search.first_images ({search.first_images}) must be fewer than the {images} images that score a candidate")


def check_sampler(experiment: Experiment, costs: CostModel, *, begun: bool = False) -> None:
    """Ask the search's sampler for candidates. Raises ConfigError where it can't be had or refuses its arguments or the objectives."""
    search = experiment.search
    region = FeasibleRegion(Encoding(costs.space), costs, search.cost_limits, np.random.default_rng(0))
    past = [Past.read(source, region.encoding, search.objectives) for source in (() if begun else search.start_from)]
    setting = Setting.of(search, seed=experiment.seed, region=region, seen=lambda row: False, past=past)
    make_plan(search.sampler, setting, directions=directions_of(search.objectives))


def check_checkpoints(experiment: Experiment, generator: nn.Module, discriminator: nn.Module | None) -> None:
    """Load the checkpoints that the experiment names into the networks that they are for. Raises CheckpointError."""
    config = experiment.teacher
    if config.checkpoint is not None:
        load_weights(generator, config.checkpoint, what="the generator")
    if config.discriminator_checkpoint is not None and discriminator is not None:
        load_weights(discriminator, config.discriminator_checkpoint, what="the discriminator")


def check_constraints(experiment: Experiment, *, supernet: Supernet, space: Space, costs: CostModel, example: torch.Tensor) -> None:
    """Raise InfeasibleError, with the least reachable values, where no candidate can meet the constraints.

    Latency without a predictor can only be measured: of the subnet with the smallest value in every decision, and of the one with the
    fewest MACs.
    """
    constraints = experiment.search.cost_limits
    check_feasible(costs, constraints)
    limit = constraints.get("latency_ms")
    if limit is None or "latency_ms" not in costs.unknown:
        return
    quick = experiment.scores.latency.model_copy(update={"warmup": 5, "runs": 20})
    measured = [
        measure_latency(supernet.extract(space.candidate(genotype)), example, quick)
        for genotype in (space.smallest(), costs.least_genotype("macs"))
    ]
    fastest = min(one.median_ms for one in measured)
    # Beside other work times come out many times too high: then only what no such work explains is refused, and the search's own
    # predictor decides the rest.
    if fastest > limit * (1 if all(one.beside is None for one in measured) else BUSY_FACTOR):
        raise InfeasibleError(
            f"latency_ms at most {limit:g} can't be met: the smallest subnets of this space take {fastest:.3g} ms "
            f"on {quick.device} here; raise the limit, or give space.dimensions smaller values"
        )
