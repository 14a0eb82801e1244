"""Adversarial objectives by name. All are minimised, and are means over every logit, so halves of a batch average to the whole."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.nn import functional as F

from autogc.registry import Registry


class AdversarialLoss(Protocol):
    """Two scalars from realness logits of any shape; higher logits mean "more real"."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """What the discriminator minimises, given its logits of real and of generated images."""

    def generator(self, fake: Tensor) -> Tensor:
        """What the generator minimises, given the logits of its images."""


ADVERSARIAL: Registry[AdversarialLoss] = Registry("adversarial loss")


@ADVERSARIAL.register("hinge")
class Hinge:
    """Lim and Ye (2017), equation 1; what GAN Compression trains pix2pix and GauGAN with (section 6.1).

    ``D: E[max(0, 1 - D(x, y))] + E[max(0, 1 + D(x, G(x)))]``, ``G: -E[D(x, G(x))]``.
    """

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


@ADVERSARIAL.register("lsgan")
class LeastSquares:
    """Mao et al. (ICCV 2017), equation 9, targets 1 and 0, as CycleGAN uses it.

    ``D: 0.5 (E[(D(x, y) - 1)^2] + E[D(x, G(x))^2])``, ``G: E[(D(x, G(x)) - 1)^2]``.
    """

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

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())

    def generator(self, fake: Tensor) -> Tensor:
        return F.softplus(-fake).mean()
