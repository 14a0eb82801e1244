"""The losses of the student's image should be those of the teacher's: the generator's side of self-supervised compression."""

from __future__ import annotations

import torch
from torch import Tensor

from autogc.losses.adversarial import over_scales
from autogc.losses.classification import domain_classification
from autogc.losses.reconstruction import reconstruction_l1
from autogc.losses.terms.consistency import relative_difference
from autogc.losses.terms.term import CURRENT, DISCRIMINATOR, TERMS, Discriminator, Seen, total, which


@TERMS.register("generator_consistency")
class GeneratorConsistency:
    """``L_GC``: Yu and Pool, "Self-supervised GAN compression" (2020), equation 7: the relative differences of the adversarial loss, of the
    classification loss (weight ``classification``, where domains are asked for) and of the reconstruction loss (weight
    ``reconstruction``, where there is a ground truth) of the student's image and of the teacher's.

    StarGAN's reconstruction, the cycle, is left out: the teacher would have to run twice. Weights by default are StarGAN's, as in the
    paper. The ``current`` discriminator starts as the teacher's and goes on learning (table 1, row b); ``teacher`` keeps it fixed.
    ``floor`` is the least divisor.
    """

    needs = frozenset({DISCRIMINATOR})

    def __init__(
        self, *, classification: float = 1.0, reconstruction: float = 10.0, floor: float = 0.01, discriminator: str = CURRENT
    ) -> None:
        self.weights = (1.0, classification, reconstruction)
        self.floor = floor
        self.discriminator: str | None = which(discriminator)

    def __call__(self, seen: Seen) -> Tensor:
        assert self.discriminator is not None
        asked = seen.discriminators[self.discriminator]
        with torch.no_grad():
            teacher = _items(asked, seen, seen.taught)
        student = _items(asked, seen, seen.image)
        return total(
            [
                weight * relative_difference(mine, other, floor=self.floor)
                for weight, mine, other in zip(self.weights, student, teacher, strict=True)
                if mine is not None and other is not None
            ]
        )


def _items(asked: Discriminator, seen: Seen, image: Tensor) -> tuple[Tensor | None, ...]:
    verdict = asked.verdict(image)
    adversarial = over_scales(asked.adversarial.generator, verdict)
    classified = None
    if verdict.classes is not None and seen.wanted is not None:
        classified = domain_classification(verdict.classes, seen.wanted, exclusive=asked.exclusive)
    return adversarial, classified, None if seen.truth is None else reconstruction_l1(image, seen.truth)
