"""Imitation: the teacher's outputs are the targets of the dataset itself, so every generator is trained on pairs."""

from __future__ import annotations

from typing import ClassVar

import torch

from autogc.data import Batch
from autogc.training.tasks.objective import Objective, Situation, Teacher


class ImitationObjective(Objective):
    """The pairs that a teacher makes, whatever it was trained for (GAN Compression, section 3.1, "unifying unpaired and paired learning").

    The teacher is run only where its features are distilled: its outputs are made already. With an adversarial weight, a discriminator
    learns to tell them from the student's.
    """

    losses: ClassVar[frozenset[str]] = Objective.losses | {"feature_matching_weight"}

    @torch.no_grad()
    def prepare(self, batch: Batch, teacher: Teacher | None) -> Situation:
        wanted = teacher is not None and bool(self.weights.distillation_layers)
        features = tuple(teacher(batch.input)[1]) if wanted and teacher is not None else ()
        return Situation(batch.input, batch.target, reference=batch.target, features=features, taught=batch.target)
