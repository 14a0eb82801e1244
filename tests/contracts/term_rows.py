"""What a distillation term is shown in the tests: a student that differs from its teacher, and one that does not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from autogc.losses import ADVERSARIAL
from autogc.losses.terms import CURRENT, TEACHER, Discriminator, Seen
from autogc.models import Verdict

# The arguments that each is tried with, beside none.
ARGUMENTS: dict[str, tuple[dict[str, Any], ...]] = {
    "channel_distillation": (),
    "class_agreement": ({"discriminator": "current"},),
    "cycle": (),
    "discriminator_consistency": ({"discriminator": "teacher", "floor": 0.1},),
    "discriminator_cooperated": ({"layers": ["body"]},),
    "discriminator_features": ({"distance": "gram"}, {"layers": ["body"], "discriminator": "current"}),
    "generator_consistency": ({"discriminator": "teacher", "reconstruction": 1.0},),
    "gram_style": ({"of": "generator"}, {"distance": "mse"}),
    "kernel_alignment": ({"rows": "images"},),
    "perceptual": (),
    "ssim": (),
    "total_variation": (),
    "wavelet": ({"levels": 1},),
}
# Those that do not compare with the teacher: a perfect student need not be at 0.
WITHOUT_TEACHER = ("total_variation", "cycle")
# Those that are means over images, so that halves of a batch average to the whole.
MEANS = ("channel_distillation", "cycle", "discriminator_features", "gram_style", "perceptual", "ssim", "total_variation", "wavelet")


class Classifying(nn.Module):
    """A discriminator with a source and a class head, of images (N, 3, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, padding=1)
        self.bend = nn.LeakyReLU(0.2)
        self.source = nn.Conv2d(4, 1, 3)
        self.classes = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Verdict:
        y = self.bend(self.body(x))
        return Verdict((self.source(y),), classes=self.classes(y.mean((2, 3))))


class Perceptual(nn.Module):
    """A perceptual network: fixed convolutions, and the distance of their outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 5, 3)

    def maps(self, images: Tensor) -> list[Tensor]:
        y = self.convolution(images)
        return [y, y.tanh()]

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return (self.convolution(image) - self.convolution(target)).abs().mean()


def discriminator(net: nn.Module, *, adversarial: str = "lsgan", exclusive: bool = False) -> Discriminator:
    objective = ADVERSARIAL.build(adversarial)
    return Discriminator(net=net, seen=lambda x: x, judge=net, adversarial=objective, channels=3, exclusive=exclusive)


def networks() -> tuple[nn.Module, nn.Module, nn.Module, nn.Module]:
    """The teacher's discriminator, the current one, the perceptual network and the way back, all fixed."""
    torch.manual_seed(7)
    return tuple(one.requires_grad_(False) for one in (Classifying(), Classifying(), Perceptual(), nn.Conv2d(3, 3, 1)))  # type: ignore[return-value]


def scene(count: int = 4, *, adversarial: str = "lsgan", side: int = 16) -> Seen:
    """A student's result that differs from the teacher's in everything; the tensors that may have gradients have."""
    noise = torch.Generator().manual_seed(3)
    image, taught, source, real = (torch.rand(count, 3, side, side, generator=noise) * 2 - 1 for _ in range(4))
    # Two distilled layers; the student is narrower.
    narrow = tuple(torch.randn(count, width, 6, 6, generator=noise) for width in (2, 3))
    mapped = tuple(torch.randn(count, width, 6, 6, generator=noise) for width in (4, 6))
    wide = tuple(torch.randn(count, width, 6, 6, generator=noise) for width in (4, 6))
    teacher, current, perceptual, back = networks()
    return Seen(
        image=image.requires_grad_(),
        target=taught.requires_grad_(),
        taught=taught,
        source=source,
        real=real,
        truth=real,
        features=tuple(one.requires_grad_() for one in narrow),
        mapped=tuple(one.requires_grad_() for one in mapped),
        teacher_features=tuple(one.requires_grad_() for one in wide),
        wanted=torch.tensor([[1.0, 0.0], [0.0, 1.0]] * (count // 2)),
        perceptual=perceptual,
        discriminators={TEACHER: discriminator(teacher, adversarial=adversarial), CURRENT: discriminator(current, adversarial=adversarial)},
        back=partial(back),
    )


def perfect(seen: Seen) -> Seen:
    """The same with a student that does as the teacher does."""
    features = tuple(one.detach().clone().requires_grad_() for one in seen.teacher_features)
    return replace(seen, image=seen.taught.detach().clone().requires_grad_(), features=features, mapped=features)


def half(seen: Seen, part: slice) -> Seen:
    """The same of some of the images."""
    lists = {name: tuple(one[part] for one in getattr(seen, name)) for name in ("features", "mapped", "teacher_features")}
    tensors = {name: getattr(seen, name)[part] for name in ("image", "target", "taught", "source", "real", "truth", "wanted")}
    return replace(seen, **lists, **tensors)
