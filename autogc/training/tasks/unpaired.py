"""Unpaired pictures: CycleGAN. The teacher learns there and back; a student learns from the pairs that the teacher makes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autogc.data import Batch, Dataset
from autogc.losses import over_scales, reconstruction_l1
from autogc.training.tasks.objective import Critics, Generated, Objective, Run, Situation, Teacher, Terms, verdict
from autogc.training.tasks.pool import draw

BACK = "back"


class CycleObjective(Objective):
    """CycleGAN (Zhu et al., ICCV 2017): a generator each way, cycle consistency (equation 2), and identity (section 5.2).

    The discriminators see pictures out of a history of ``pool_size`` (Shrivastava et al., CVPR 2017). The way back is trained and kept
    beside the teacher, and compressed by exchanging the dataset's domains.
    """

    losses = Objective.losses | {"cycle_weight", "identity_weight", "pool_size"}
    companions = (BACK,)

    def pools(self, data: Dataset) -> dict[str, tuple[int, ...]]:
        if not self.weights.pool_size:
            return {}
        return {"pool": (self.weights.pool_size, *data.target_shape), "pool_back": (self.weights.pool_size, *data.input_shape)}

    @torch.no_grad()
    def prepare(self, batch: Batch, teacher: Teacher | None) -> Situation:
        return Situation(batch.input, batch.target)

    def produce(self, run: Run, situation: Situation, companions: nn.ModuleDict) -> Generated:
        source, target, back = situation.input, situation.real, companions[BACK]
        image, features = run(source)
        returned = back(target)
        others = {"returned": returned, "cycle": back(image), "cycle_back": run(returned)[0]}
        if self.weights.identity_weight:
            others |= {"identity": run(target)[0], "identity_back": back(source)}
        return Generated(image, features, others)

    def criticise(self, critics: Critics, situation: Situation, generated: Sequence[Generated]) -> Terms:
        (one,) = generated  # A teacher has one shape.
        terms, _ = self._criticism(critics.net, situation, situation.real, draw(critics, "pool", one.image))
        back, _ = self._criticism(critics.companions[BACK], situation, situation.input, draw(critics, "pool_back", one.others["returned"]))
        return terms | {f"{name}_back": term for name, term in back.items()}

    def judge(self, critics: Critics | None, situation: Situation, one: Generated) -> Terms:
        weights, others = self.weights, one.others
        terms = super().judge(critics, situation, one)
        if self.needs_critic:
            assert critics is not None
            of_returned = verdict(critics.companions[BACK], others["returned"])
            terms["adversarial_back"] = (weights.adversarial_weight, over_scales(self.adversarial.generator, of_returned))
        terms["cycle"] = (weights.cycle_weight, _both(others["cycle"], situation.input, others["cycle_back"], situation.real))
        if weights.identity_weight:
            kept = _both(others["identity"], situation.real, others["identity_back"], situation.input)
            terms["identity"] = (weights.identity_weight, kept)
        return terms


class PseudoPairedObjective(Objective):
    """A student of an unpaired teacher: the teacher's picture is the ground truth (GAN Compression, section 3.1, "unifying unpaired and
    paired
    learning"), and the teacher's discriminator of the target domain goes on learning from real pictures."""

    @torch.no_grad()
    def prepare(self, batch: Batch, teacher: Teacher | None) -> Situation:
        assert teacher is not None, "the pairs are the teacher's"
        picture, features = teacher(batch.input)
        return Situation(batch.input, batch.target, reference=picture, features=tuple(features), taught=picture)


def _both(one: Tensor, wanted: Tensor, other: Tensor, other_wanted: Tensor) -> Tensor:
    return reconstruction_l1(one, wanted.float()) + reconstruction_l1(other, other_wanted.float())
