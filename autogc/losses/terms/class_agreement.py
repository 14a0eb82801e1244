"""A student's image should be taken for the domains that the teacher's is taken for."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from autogc.errors import ConfigError
from autogc.losses.terms.term import DISCRIMINATOR, DOMAINS, TEACHER, TERMS, Seen, which


def class_divergence(student: Tensor, teacher: Tensor, *, exclusive: bool = False) -> Tensor:
    """Return ``KL(teacher | student)`` of what two logits (N, D) say of the domains, the mean over images: Hinton et al. (2015), section 2,
    at temperature 1, without the teacher's entropy, so that it is 0 where both agree.

    ``exclusive`` domains are one distribution (softmax); others are D independent questions, summed. No gradient reaches the teacher's.
    """
    fixed = teacher.detach()
    if exclusive:
        return F.kl_div(F.log_softmax(student, 1), F.log_softmax(fixed, 1), reduction="batchmean", log_target=True)
    cross = F.binary_cross_entropy_with_logits(student, fixed.sigmoid(), reduction="sum")
    entropy = F.binary_cross_entropy_with_logits(fixed, fixed.sigmoid(), reduction="sum")
    return (cross - entropy) / len(student)


@TERMS.register("class_agreement")
class ClassAgreement:
    """``class_divergence`` of the domains that a discriminator with a class head (StarGAN's; Choi et al., CVPR 2018) sees in the student's
    image and in the teacher's. ``classification_weight`` asks for the wanted domains instead; this asks for as much of them as the
    teacher gives. ``discriminator`` is the ``teacher``'s or the ``current`` one.
    """

    needs = frozenset({DISCRIMINATOR, DOMAINS})

    def __init__(self, *, discriminator: str = TEACHER) -> None:
        self.discriminator: str | None = which(discriminator)

    def __call__(self, seen: Seen) -> Tensor:
        assert self.discriminator is not None
        asked = seen.discriminators[self.discriminator]
        with torch.no_grad():
            wanted = asked.verdict(seen.taught).classes
        mine = asked.verdict(seen.image).classes
        if mine is None or wanted is None:
            raise ConfigError("class_agreement needs a discriminator that tells domains apart; stargan does")
        return class_divergence(mine, wanted, exclusive=asked.exclusive)
