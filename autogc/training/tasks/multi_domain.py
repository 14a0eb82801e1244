"""Many domains with one generator: StarGAN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from autogc.config.experiment import LossWeights
from autogc.data import Batch, Dataset
from autogc.data.inputs import with_domains
from autogc.losses import domain_classification, over_scales, reconstruction_l1
from autogc.training.tasks.objective import Critics, Generated, Objective, Run, Situation, Teacher, Terms, verdict


class MultiDomainObjective(Objective):
    """StarGAN (Choi et al., CVPR 2018): domain classification (equations 2 and 3) and reconstruction (equation 4, ``cycle_weight``).

    What a picture is to become is what another picture of the batch is. A student's reference is the teacher's picture of the same.
    """

    losses = Objective.losses | {"cycle_weight", "classification_weight"}

    def __init__(self, weights: LossWeights, data: Dataset) -> None:
        super().__init__(weights, data)
        self._exclusive = data.exclusive_domains

    @classmethod
    def asks_critic(cls, weights: LossWeights) -> bool:
        return super().asks_critic(weights) or bool(weights.classification_weight)

    @torch.no_grad()
    def prepare(self, batch: Batch, teacher: Teacher | None) -> Situation:
        assert batch.domains is not None
        wanted = batch.domains[torch.randperm(len(batch.domains)).to(batch.domains.device)]
        asked = with_domains(batch.target, wanted)
        known = Situation(asked, batch.target, domains=batch.domains, wanted=wanted)
        if teacher is None:
            return known
        picture, features = teacher(asked)
        return replace(known, reference=picture, features=tuple(features), taught=picture)

    def produce(self, run: Run, situation: Situation, companions: nn.ModuleDict) -> Generated:
        image, features = run(situation.input)
        assert situation.domains is not None
        others = {"cycle": run(with_domains(image, situation.domains))[0]} if self.weights.cycle_weight else {}
        return Generated(image, features, others)

    def criticise(self, critics: Critics, situation: Situation, generated: Sequence[Generated]) -> Terms:
        terms, of_real = self._criticism(critics.net, situation, situation.real, torch.cat([one.image for one in generated]))
        assert of_real.classes is not None and situation.domains is not None
        found = domain_classification(of_real.classes, situation.domains, exclusive=self._exclusive)
        return terms | {"classification_real": (self.weights.classification_weight, found)}

    def judge(self, critics: Critics | None, situation: Situation, one: Generated) -> Terms:
        terms = super().judge(critics, situation, one)
        if self.weights.cycle_weight:
            terms["cycle"] = (self.weights.cycle_weight, reconstruction_l1(one.others["cycle"], situation.real.float()))
        return terms

    def _judgement(self, critics: Critics, situation: Situation, one: Generated) -> Terms:
        of_fake = verdict(critics.net, one.image)
        assert of_fake.classes is not None and situation.wanted is not None
        adversarial = over_scales(self.adversarial.generator, of_fake)
        classified = domain_classification(of_fake.classes, situation.wanted, exclusive=self._exclusive)
        weights = self.weights
        return {"adversarial": (weights.adversarial_weight, adversarial), "classification": (weights.classification_weight, classified)}
