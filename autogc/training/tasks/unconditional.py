"""Pictures out of noise: DCGAN. A student learns to make of the same noise what its teacher makes of it."""

from __future__ import annotations

import torch

from autogc.data import Batch
from autogc.training.tasks.objective import Objective, Situation, Teacher


class UnconditionalObjective(Objective):
    """Goodfellow et al. (NeurIPS 2014) with fresh noise at every step.

    With a teacher its picture of that noise is the reference: the image-level distillation of Aguinaldo et al. ("Compressing GANs using
    knowledge distillation", 2019), beside the adversarial term.
    """

    @torch.no_grad()
    def prepare(self, batch: Batch, teacher: Teacher | None) -> Situation:
        noise = torch.randn_like(batch.input)
        if teacher is None:
            return Situation(noise, batch.target)
        picture, features = teacher(noise)
        return Situation(noise, batch.target, reference=picture, features=tuple(features), taught=picture)
