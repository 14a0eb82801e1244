"""Whether an experiment's distillation terms have what they need: asked of its task, then told by computing each once."""

from __future__ import annotations

import copy

import torch
from torch import nn

from autogc.config.experiment import Experiment
from autogc.data import Dataset
from autogc.errors import CheckpointError, ConfigError
from autogc.losses.terms import BACK, DISCRIMINATOR, DOMAINS, FEATURES, PERCEPTUAL_NETWORK, Term
from autogc.training.features import run_with_features
from autogc.training.randomness import seeded
from autogc.training.stage import build_teacher_generator
from autogc.training.tasks import Generated, Situation, task_of
from autogc.training.tasks.unpaired import BACK as WAY_BACK
from autogc.training.teaching import Teaching, build_terms, perceptual_network
from autogc.training.trainer import CriticSide


def term_problems(
    experiment: Experiment, data: Dataset, generator: nn.Module, discriminator: nn.Module | None, *, teacher: nn.Module | None = None
) -> list[str]:
    """Return what the terms lack in this task and experiment; where they lack nothing, what goes wrong when each is computed once on two
    images of training's size, made by the untrained ``generator`` and, where it is another, the ``teacher``."""
    if not experiment.losses.active_terms():
        return []
    try:
        terms = build_terms(experiment)
    except ConfigError as error:
        return [f"losses.terms: {problem}" for problem in error.problems]
    problems = [f"losses.terms.{key}: {problem}" for key, term in terms.items() for problem in lacking(term, experiment, data)]
    if problems:
        return problems
    return _rehearsed(experiment, data, generator, discriminator, teacher or generator)


def lacking(term: Term, experiment: Experiment, data: Dataset) -> list[str]:
    """Return what a term needs that the experiment does not have, each with what would give it."""
    losses, teacher, task = experiment.losses, experiment.teacher, task_of(experiment, data)
    imported = teacher.checkpoint is not None
    untrained = teacher.discriminator_checkpoint is None if imported else not losses.adversarial_weight
    given = "teacher.discriminator_checkpoint" if imported else "losses.adversarial_weight (losses.students has one of its own)"
    found = {
        FEATURES: (bool(losses.distillation_layers), "the generators' features: name layers in losses.distillation_layers"),
        PERCEPTUAL_NETWORK: (
            losses.perceptual is not None,
            "a perceptual network: give losses.perceptual, such as {name: vgg19, args: {weights: FILE}}",
        ),
        DISCRIMINATOR: (not untrained, f"a trained discriminator: give {given}"),
        DOMAINS: (data.kind == "domains", f"a dataset of domains, and this one is {data.kind}"),
        BACK: (
            WAY_BACK in task.teacher.companions and not imported,
            "the teacher's way back, which only an unpaired teacher that is trained here has",
        ),
    }
    return [f"needs {what}" for need, (has, what) in found.items() if need in term.needs and not has]


def _rehearsed(
    experiment: Experiment, data: Dataset, generator: nn.Module, discriminator: nn.Module | None, teacher: nn.Module
) -> list[str]:
    objective = task_of(experiment, data).student(experiment.losses.of_students(), data)
    back = build_teacher_generator(experiment, data, way=WAY_BACK) if data.kind == "unpaired" else None
    perceptual = perceptual_network(experiment, objective)
    teaching = Teaching(experiment, data, discriminator=copy.deepcopy(discriminator), back=back, perceptual=perceptual)
    critics = None if discriminator is None else CriticSide(copy.deepcopy(discriminator), objective)
    situation, one = _example(experiment, data, generator, teacher)
    problems = []
    for key in list(teaching.terms):
        term = teaching.terms[key]
        alone = copy.copy(teaching)
        alone.terms = {key: term}
        try:
            with seeded(experiment.seed, "terms"):
                ((_, value),) = alone.judge(objective, critics, situation, one).values()
        except CheckpointError:
            raise
        except (RuntimeError, ValueError) as error:
            reasons = error.problems if isinstance(error, ConfigError) else [str(error).splitlines()[0]]
            problems += [f"losses.terms.{key}: {reason}" for reason in reasons]
            continue
        if not bool(value.isfinite()):
            problems.append(f"losses.terms.{key}: is {value.item()} for an untrained generator: its args ask for too much")
    return problems


def _example(experiment: Experiment, data: Dataset, generator: nn.Module, teacher: nn.Module) -> tuple[Situation, Generated]:
    noise = torch.Generator().manual_seed(0)
    crop = data.train.crop
    size = data.input_shape[1:] if crop is None else tuple(side // data.train.scale for side in crop)
    given = torch.rand(2, data.input_channels, *size, generator=noise) * 2 - 1
    with torch.no_grad():
        image, own = run_with_features(generator.eval(), given, experiment.losses.distillation_layers)
        taught, features = run_with_features(teacher.eval(), given, experiment.teacher_layers)
        real = torch.rand(image.shape, generator=noise) * 2 - 1
    domains = torch.eye(2, len(data.domain_names)) if data.domain_names else None
    situation = Situation(given, real, reference=real, features=tuple(features), domains=domains, wanted=domains, taught=taught)
    made = Generated(image.roll(1, 0).requires_grad_(), (*features, *own))
    return situation, made
