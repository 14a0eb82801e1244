"""Paired pictures: pix2pix, GauGAN, SRGAN. The ground truth says what the picture should be; a student may learn from the
teacher's picture too."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from autogc.data import Batch, Dataset
from autogc.training.tasks.objective import Objective, Situation, Teacher


def paired(objective: Objective, batch: Batch, teacher: Teacher | None) -> Situation:
    """Return a batch of pairs as a step sees it: a student's reference is the truth, the teacher's picture of the same input, or both."""
    if teacher is None:
        return Situation(batch.input, batch.target, reference=batch.target)
    picture, features = teacher(batch.input)
    return Situation(
        batch.input,
        batch.target,
        reference=picture if objective.students.target == "teacher" else batch.target,
        taught=picture,
        features=tuple(features),
    )


class PairedObjective(Objective):
    """pix2pix (Isola et al., CVPR 2017), and GauGAN (Park et al., CVPR 2019) by its weights: the discriminator sees the input too."""

    # Here alone: elsewhere the real picture is not what the generated one should be.
    losses: ClassVar[frozenset[str]] = Objective.losses | {"feature_matching_weight"}

    @classmethod
    def critic_channels(cls, data: Dataset) -> int:
        return data.input_channels + data.target_channels

    @torch.no_grad()
    def prepare(self, batch: Batch, teacher: Teacher | None) -> Situation:
        return paired(self, batch, teacher)

    def seen(self, situation: Situation, image: Tensor) -> Tensor:
        return torch.cat([situation.input, image], dim=1)


class EnlargingObjective(Objective):
    """SRGAN (Ledig et al., CVPR 2017): the input is smaller than the picture, and the discriminator sees the picture alone."""

    losses: ClassVar[frozenset[str]] = PairedObjective.losses

    @torch.no_grad()
    def prepare(self, batch: Batch, teacher: Teacher | None) -> Situation:
        return paired(self, batch, teacher)
