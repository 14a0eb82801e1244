"""The discriminator should find the student's image as hard to tell as the teacher's: its side of self-supervised compression."""

from __future__ import annotations

import torch
from torch import Tensor

from autogc.losses.adversarial import over_scales
from autogc.losses.terms.consistency import relative_difference
from autogc.losses.terms.term import CURRENT, DISCRIMINATOR, TERMS, Discriminator, Seen, which


@TERMS.register("discriminator_consistency")
class DiscriminatorConsistency:
    """``L_DC``: Yu and Pool, "Self-supervised GAN compression" (2020), equation 8: the relative difference of the discriminator's loss on
    (real, the student's) and on (real, the teacher's), and, for an adversarial objective with a gradient penalty, of that, with the
    objective's own weight. Equation 9 weighs it 0.5 beside ``generator_consistency``.

    Both penalties are taken at the same random points between real and generated. ``discriminator`` and ``floor`` are as in
    ``generator_consistency``.
    """

    needs = frozenset({DISCRIMINATOR})

    def __init__(self, *, floor: float = 0.01, discriminator: str = CURRENT) -> None:
        self.floor = floor
        self.discriminator: str | None = which(discriminator)

    def __call__(self, seen: Seen) -> Tensor:
        assert self.discriminator is not None
        asked = seen.discriminators[self.discriminator]
        with torch.no_grad():
            real = asked.verdict(seen.real)
            of_teacher = over_scales(asked.adversarial.discriminator, real, asked.verdict(seen.taught))
        of_student = over_scales(asked.adversarial.discriminator, real, asked.verdict(seen.image))
        found = relative_difference(of_student, of_teacher, floor=self.floor)
        if asked.adversarial.penalty_weight:
            share = torch.rand(len(seen.real), *(1 for _ in seen.real.shape[1:])).to(seen.real)
            mine, other = (_penalty(asked, seen.real, fake, share) for fake in (seen.image, seen.taught.detach()))
            found = found + asked.adversarial.penalty_weight * relative_difference(mine, other, floor=self.floor)
        return found


def _penalty(asked: Discriminator, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """``gradient_penalty`` whose gradient reaches the generated image, through a second derivative."""
    between = share * real + (1 - share) * fake
    if not between.requires_grad:
        between.requires_grad_()
    with torch.enable_grad():
        logits = torch.cat([part.flatten(1) for part in asked.verdict(between).logits], dim=1)
        (gradient,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()
