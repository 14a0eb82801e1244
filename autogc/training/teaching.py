"""What a student is asked for beside its task: the experiment's distillation terms, and the fixed networks that they ask."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import nn

from autogc.config.experiment import Experiment
from autogc.data import Dataset
from autogc.losses import PERCEPTUAL
from autogc.losses.terms import BACK, CURRENT, PERCEPTUAL_NETWORK, TEACHER, TERMS, Discriminator, Seen, Term
from autogc.training.stage import DISCRIMINATOR, GENERATOR, build_teacher_generator, file_of
from autogc.training.tasks import Generated, Objective, Situation, task_of
from autogc.training.tasks.objective import Critics, Terms, verdict
from autogc.training.tasks.unpaired import BACK as WAY_BACK
from autogc.training.teacher import load_discriminator
from autogc.training.weights import load_weights


class Teaching:
    """The terms with a weight, by key, and what they ask: ``discriminator`` is the teacher's, ``back`` its generator the other way, and
    ``perceptual`` the network of ``losses.perceptual``, each None where no term needs it. All of them are fixed."""

    def __init__(
        self,
        experiment: Experiment,
        data: Dataset,
        *,
        discriminator: nn.Module | None,
        back: nn.Module | None,
        perceptual: nn.Module | None,
    ) -> None:
        self.terms = build_terms(experiment)
        self._config = {key: term for key, (_, term) in experiment.losses.active_terms().items()}
        self._discriminator = _fixed(discriminator)
        self._back = _fixed(back)
        self._perceptual = _fixed(perceptual)
        self._data = data

    def to(self, device: torch.device) -> Teaching:
        """Move the networks to ``device``."""
        for network in (self._discriminator, self._back, self._perceptual):
            if network is not None:
                network.to(device)
        return self

    @property
    def asks_current(self) -> bool:
        """Whether a term asks the discriminator that goes on learning beside the student."""
        return any(term.discriminator == CURRENT for term in self.terms.values())

    def judge(self, objective: Objective, critics: Critics | None, situation: Situation, one: Generated) -> Terms:
        """Return each term with its weight, as ``terms.KEY``, for one of the student's results."""
        ways = {config.against for config in self._config.values()}
        seen = {against: self._seen(objective, critics, situation, one, against=against) for against in ways}
        return {f"terms.{key}": (self._config[key].weight, term(seen[self._config[key].against])) for key, term in self.terms.items()}

    def _seen(self, objective: Objective, critics: Critics | None, situation: Situation, one: Generated, *, against: str) -> Seen:
        assert situation.taught is not None, "students have a teacher"
        taught = situation.taught.float()
        target = taught if against == TEACHER or situation.reference is None else situation.reference.float()
        layers = len(situation.features)
        return Seen(
            image=one.image,
            target=target,
            taught=taught,
            source=situation.input.float(),
            real=situation.real.float(),
            truth=situation.real.float() if self._data.kind == "paired" else None,
            features=one.features[layers:],
            mapped=one.features[:layers],
            teacher_features=tuple(feature.float() for feature in situation.features),
            wanted=situation.wanted,
            perceptual=self._perceptual,
            discriminators=self._discriminators(objective, critics, situation),
            back=self._back,
        )

    def _discriminators(self, objective: Objective, critics: Critics | None, situation: Situation) -> Mapping[str, Discriminator]:
        asked = {term.discriminator for term in self.terms.values()}
        nets = {TEACHER: self._discriminator, CURRENT: critics.net if critics is not None and CURRENT in asked else None}
        return {
            name: Discriminator(
                net=net,
                seen=partial(objective.seen, situation),
                judge=partial(verdict, net),
                adversarial=objective.adversarial,
                channels=objective.critic_channels(self._data),
                exclusive=self._data.exclusive_domains,
            )
            for name, net in nets.items()
            if net is not None
        }


def build_terms(experiment: Experiment) -> dict[str, Term]:
    """Return the experiment's terms with a weight, by key. Raises ConfigError for arguments that a term refuses."""
    return {key: TERMS.build(name, config.args) for key, (name, config) in experiment.losses.active_terms().items()}


def asked_files(experiment: Experiment) -> list[str]:
    """Return the names of the files beside the teacher that the terms ask: its discriminator, its way back."""
    terms = build_terms(experiment).values()
    found = [DISCRIMINATOR] if any(term.discriminator == TEACHER for term in terms) else []
    return found + ([file_of(GENERATOR, WAY_BACK)] if any(BACK in term.needs for term in terms) else [])


def student_objective(experiment: Experiment, data: Dataset, teacher_directory: str | Path) -> Objective:
    """Return the objective that students of the teacher in ``teacher_directory`` are trained with, its terms included.

    Raises CheckpointError where the teacher's directory lacks a network that a term asks, or holds another.
    """
    objective = task_of(experiment, data).student(experiment.losses.of_students(), data)
    if not experiment.losses.active_terms():
        return objective
    files, directory = asked_files(experiment), Path(teacher_directory)
    discriminator = load_discriminator(experiment, data, directory / DISCRIMINATOR) if DISCRIMINATOR in files else None
    back = None
    if file_of(GENERATOR, WAY_BACK) in files:
        back = build_teacher_generator(experiment, data, way=WAY_BACK)
        load_weights(back, directory / file_of(GENERATOR, WAY_BACK), what="the generator of the way back")
    perceptual = perceptual_network(experiment, objective)
    objective.teaching = Teaching(experiment, data, discriminator=discriminator, back=back, perceptual=perceptual)
    return objective


def perceptual_network(experiment: Experiment, objective: Objective) -> nn.Module | None:
    """Return the perceptual network where a term needs it: the objective's own, where it has one."""
    config = experiment.losses.perceptual
    if config is None or not any(PERCEPTUAL_NETWORK in term.needs for term in build_terms(experiment).values()):
        return None
    return objective.perceptual or PERCEPTUAL.build(config.name, config.args)


def _fixed(network: nn.Module | None) -> nn.Module | None:
    return None if network is None else network.eval().requires_grad_(False)
