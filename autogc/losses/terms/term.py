"""What a distillation term is: a comparison of what a student made with what it should be like, by name and with a weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from autogc.errors import ConfigError, nearest
from autogc.losses.adversarial import AdversarialLoss
from autogc.models import Verdict
from autogc.registry import Registry

# Which discriminator a term asks: the teacher's as the teacher's stage left it, or the one that is trained beside the student.
TEACHER, CURRENT = "teacher", "current"
# What a term may need beside the two images, and what gives it.
FEATURES, PERCEPTUAL_NETWORK, DISCRIMINATOR, DOMAINS, BACK = "features", "perceptual network", "discriminator", "domains", "way back"


@dataclass(frozen=True)
class Discriminator:
    """A discriminator as terms see it. Its parameters are fixed; gradients pass through to the images.

    ``net`` takes (N, ``channels``, H, W); ``seen`` makes that of an image (in paired tasks the input is put beside it); ``judge`` is its
    verdict on that, in float32. ``exclusive`` says whether an image belongs to one of its domains only.
    """

    net: nn.Module
    seen: Callable[[Tensor], Tensor]
    judge: Callable[[Tensor], Verdict]
    adversarial: AdversarialLoss
    channels: int
    exclusive: bool = False

    def verdict(self, images: Tensor) -> Verdict:
        """Return the verdict on images (N, C, H, W) in [-1, 1]."""
        return self.judge(self.seen(images))

    def maps(self, given: Tensor, layers: tuple[str, ...] = ()) -> list[Tensor]:
        """Return its intermediate outputs for ``given`` (N, ``channels``, H, W), float32.

        They are those of its modules named ``layers``; without names the features of its verdict, or, where it gives none, the outputs of
        its activation layers. Raises ConfigError for a name that it has not, and for a discriminator without any of these.
        """
        names = dict(self.net.named_modules())
        for layer in layers:
            if layer not in names:
                raise ConfigError(f"the discriminator has no module {layer!r}: {nearest(layer, names)}")
        watched = layers or tuple(name for name, part in names.items() if isinstance(part, nn.LeakyReLU | nn.ReLU))
        found: dict[str, Tensor] = {}
        with ExitStack() as stack:
            for layer in watched:

                def keep(part: nn.Module, args: object, output: Tensor, *, layer: str = layer) -> None:
                    found[layer] = output.float()

                stack.callback(names[layer].register_forward_hook(keep).remove)
            verdict = self.judge(given)
        if not layers and verdict.features:
            return [one for scale in verdict.features for one in scale]
        # Dense heads have activations too, which are no maps.
        maps = [found[layer] for layer in watched if layer in found and (layers or found[layer].ndim == 4)]
        if not maps or any(one.ndim != 4 for one in maps):
            raise ConfigError("the discriminator has no such intermediate maps (N, C, H, W): name layers of it, such as its convolutions")
        return maps


@dataclass(frozen=True)
class Seen:
    """One result of a student, and all that it can be compared with. Images are (N, C, H, W) in [-1, 1], everything is float32.

    ``image`` and ``features`` (its distilled layers' outputs, as narrow as the student is) are the student's; ``mapped`` are the features
    after the learned 1x1 maps. ``target`` is what the image should be like; ``taught`` and ``teacher_features`` are what the teacher made
    of the same input. ``source`` is that input, ``real`` real images, ``truth`` the ground truth of this input, where there is one.
    ``wanted`` (N, D) are the domains that the input asks for. ``discriminators`` holds those under ``teacher`` and ``current`` that the
    terms need, ``back`` is the teacher's generator from targets to inputs.
    """

    image: Tensor
    target: Tensor
    taught: Tensor
    source: Tensor
    real: Tensor
    truth: Tensor | None = None
    features: tuple[Tensor, ...] = ()
    mapped: tuple[Tensor, ...] = ()
    teacher_features: tuple[Tensor, ...] = ()
    wanted: Tensor | None = None
    perceptual: nn.Module | None = None
    discriminators: Mapping[str, Discriminator] = field(default_factory=dict)
    back: Callable[[Tensor], Tensor] | None = None


class Term(Protocol):
    """A scalar of what was seen, at least 0 and lower the better. Gradients reach the student's side only.

    ``needs`` names what it looks at beside the images, ``discriminator`` which discriminator it asks (None where it asks none).
    """

    needs: frozenset[str]
    discriminator: str | None

    def __call__(self, seen: Seen) -> Tensor: ...


TERMS: Registry[Term] = Registry("distillation term")


def which(discriminator: str) -> str:
    """Return ``discriminator``, checked. Raises ConfigError for anything but ``teacher`` and ``current``."""
    return one_of("discriminator", discriminator, (TEACHER, CURRENT))


def one_of(argument: str, value: str, valid: tuple[str, ...]) -> str:
    """Return ``value``, one of ``valid``. Raises ConfigError for any other."""
    if value not in valid:
        raise ConfigError(f"{argument} must be one of {', '.join(valid)}, got {value!r}")
    return value


def same_shape(image: Tensor, target: Tensor) -> None:
    """Raise ValueError where two images differ in shape."""
    if image.shape != target.shape:
        raise ValueError(f"an image of shape {tuple(image.shape)} cannot be compared with a target of shape {tuple(target.shape)}")


def total(parts: list[Tensor]) -> Tensor:
    """Return the sum of scalars."""
    return torch.stack(parts).sum()
