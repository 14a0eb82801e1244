"""Adversarial objectives by name. All are minimised, and are means over every logit, so halves of a batch average to the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from autogc.models import Verdict
from autogc.registry import Registry


class AdversarialLoss(Protocol):
    """Two scalars from realness logits of any shape; higher logits mean "more real".

    ``penalty_weight`` is the weight of ``gradient_penalty`` in what the discriminator minimises; 0 where the objective has none.
    """

    penalty_weight: float

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """What the discriminator minimises, given its logits of real and of generated images."""

    def generator(self, fake: Tensor) -> Tensor:
        """What the generator minimises, given the logits of its images."""


ADVERSARIAL: Registry[AdversarialLoss] = Registry("adversarial loss")


def over_scales(objective: Callable[..., Tensor], *verdicts: Verdict) -> Tensor:
    """Return the mean over a discriminator's scales of ``objective`` (such as ``loss.generator``), given each verdict's logits there.

    As SPADE does; one scale is the objective itself. The verdicts are of one discriminator, in the order of the objective's arguments.
    """
    return torch.stack([objective(*logits) for logits in zip(*(verdict.logits for verdict in verdicts), strict=True)]).mean()


@ADVERSARIAL.register("hinge")
class Hinge:
    """Lim and Ye (2017), equation 1; what GAN Compression trains pix2pix and GauGAN with (section 6.1).

    ``D: E[max(0, 1 - D(x, y))] + E[max(0, 1 + D(x, G(x)))]``, ``G: -E[D(x, G(x))]``.
    """

    penalty_weight: float = 0.0

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


@ADVERSARIAL.register("lsgan")
class LeastSquares:
    """Mao et al. (ICCV 2017), equation 9, targets 1 and 0, as CycleGAN uses it.

    ``D: 0.5 (E[(D(x, y) - 1)^2] + E[D(x, G(x))^2])``, ``G: E[(D(x, G(x)) - 1)^2]``.
    """

    penalty_weight: float = 0.0

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())

    def generator(self, fake: Tensor) -> Tensor:
        return (fake - 1).square().mean()


@ADVERSARIAL.register("vanilla")
class Vanilla:
    """Goodfellow et al. (NeurIPS 2014): equation 2 of GAN Compression, with the generator's non-saturating form.

    ``D: -0.5 (E[log s(D(x, y))] + E[log(1 - s(D(x, G(x))))])``, ``G: -E[log s(D(x, G(x)))]``, s the sigmoid.
    The half is pix2pix's (section 3.3).
    """

    penalty_weight: float = 0.0

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())

    def generator(self, fake: Tensor) -> Tensor:
        return F.softplus(-fake).mean()


@ADVERSARIAL.register("wgan_gp")
class WassersteinGP:
    """Gulrajani et al. (NeurIPS 2017), equation 3; StarGAN's (equation 8), with a gradient penalty weighted 10 by default.

    ``D: E[D(G(x))] - E[D(y)]``, to which ``penalty_weight`` times ``gradient_penalty`` is added; ``G: -E[D(G(x))]``.
    """

    def __init__(self, *, penalty_weight: float = 10.0) -> None:
        self.penalty_weight = penalty_weight

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()
