"""One optimizer step of a conditional GAN, whatever the generator is: a teacher, a supernet or a subnet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from autogc.config.experiment import LossWeights
from autogc.data import Batch
from autogc.losses import ADVERSARIAL, feature_distillation, reconstruction_l1
from autogc.supernet.candidate import Candidate
from autogc.training.engine import Engine

Figures = dict[str, Tensor]
Choose = Callable[[int], Sequence[Candidate]]
Reference = Callable[[Tensor], list[Tensor]]


class Generated(NamedTuple):
    """An image (N, 3, H, W) in [-1, 1], and features mapped to the teacher's channels; none where nothing is distilled."""

    image: Tensor
    features: tuple[Tensor, ...] = ()


class PlainGenerator(nn.Module):
    """A generator as the trainer calls one, without candidates or features."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, candidates: Sequence[Candidate]) -> list[Generated]:
        assert not candidates, "a plain generator has one shape"
        return [Generated(self.net(x))]


class ConditionalCritic(nn.Module):
    """A discriminator that sees the input beside the image: logits of each of ``images``, given ``x``."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, *images: Tensor) -> list[Tensor]:
        return [self.net(torch.cat([x, image], dim=1)) for image in images]


class GanTrainer:
    """Trains a generator and a discriminator in turn on GAN Compression's objective (equation 4).

    ``choose`` says which candidates the generator runs as at a step (their losses are averaged); ``reference`` gives the teacher's features
    of an input. Both networks are trained on the same batch; with accumulation, the discriminator first on all of its parts.
    """

    def __init__(
        self,
        generator: Engine,
        discriminator: Engine,
        *,
        losses: LossWeights,
        choose: Choose | None = None,
        reference: Reference | None = None,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self._losses = losses
        self._adversarial = ADVERSARIAL.build(losses.adversarial)
        self._choose: Choose = choose or (lambda step: ())
        self._reference = reference

    def step(self, batch: Batch, *, step: int) -> Figures:
        """Take optimizer step ``step`` (from 0) of both networks; return this worker's ``loss``, its parts, and ``discriminator``."""
        parts = list(zip(batch.input.chunk(self.generator.accumulation), batch.target.chunk(self.generator.accumulation), strict=True))
        candidates = self._choose(step)
        # One part: the same forward pass serves both networks. Several: keeping all of their graphs is what accumulation is to avoid.
        kept = self._generate(parts[0][0], candidates) if len(parts) == 1 else None
        found: list[Figures] = []
        for x, target in parts:
            with torch.no_grad():
                images = [one.image for one in kept or self._generate(x, candidates)]
            found.append({"discriminator": self._train_discriminator(x, target, images, step=step)})
        for (x, target), figures in zip(parts, found, strict=True):
            figures |= self._train_generator(x, target, kept or self._generate(x, candidates), step=step)
        return {name: torch.stack([figures[name] for figures in found]).mean() for name in sorted(found[0])}

    def close(self) -> None:
        """Release both engines; the modules stay as they are."""
        self.generator.close()
        self.discriminator.close()

    def _generate(self, x: Tensor, candidates: Sequence[Candidate]) -> list[Generated]:
        found = self.generator(x, candidates)
        return [Generated(one.image.float(), tuple(feature.float() for feature in one.features)) for one in found]

    def _train_discriminator(self, x: Tensor, target: Tensor, images: Sequence[Tensor], *, step: int) -> Tensor:
        real, *fakes = self.discriminator(x, target, *(image.detach() for image in images))
        loss = self._adversarial.discriminator(real.float(), torch.cat(fakes).float())
        self.discriminator.descend(loss, step=step)
        return loss.detach()

    def _train_generator(self, x: Tensor, target: Tensor, generated: Sequence[Generated], *, step: int) -> Figures:
        teacher = [] if self._reference is None else self._reference(x)
        weights = self._losses
        parts = []
        for one in generated:
            (logits,) = self.discriminator.apply_fixed(x, one.image)
            adversarial = self._adversarial.generator(logits.float())
            reconstruction = reconstruction_l1(one.image, target)
            distillation = feature_distillation(one.features, teacher).to(x.device)
            total = weights.adversarial_weight * adversarial + weights.reconstruction_weight * reconstruction
            total = total + weights.distillation_weight * distillation
            parts.append(torch.stack([total, adversarial, reconstruction, distillation]))
        mean = torch.stack(parts).mean(dim=0)
        self.generator.descend(mean[0], step=step)
        return dict(zip(("loss", "adversarial", "reconstruction", "distillation"), mean.detach(), strict=True))
