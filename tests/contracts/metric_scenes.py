"""What the metrics' contract shows to a metric: pictures that become worse, and changes that must not matter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import torch
from lpips_by_hand import by_hand
from torch import Tensor
from torch.nn import functional

from autogc.metrics import SIMILARITIES, JudgeNetwork, Reference
from autogc.metrics.confusion import confusion_of_each
from autogc.metrics.metric import Observation, Setting
from autogc.metrics.pixels import coloured

COUNT = 12
GENERATOR = torch.Generator().manual_seed(0)
REAL = torch.randint(16, 240, (COUNT, 3, 16, 20), generator=GENERATOR).float() / 127.5 - 1
NOISE = torch.randn(REAL.shape, generator=GENERATOR)
REAL_FEATURES = torch.randn(40, 5, generator=GENERATOR, dtype=torch.float64)
FEATURE_NOISE = torch.randn(COUNT, 5, generator=GENERATOR, dtype=torch.float64)
LABELS = torch.randint(0, 3, (COUNT, 16, 20), generator=GENERATOR)
GUESSES = torch.randint(0, 3, (COUNT, 16, 20), generator=GENERATOR)
CHANCE = torch.rand(LABELS.shape, generator=GENERATOR)
CERTAIN = torch.eye(4, dtype=torch.float64).repeat(3, 1) * 0.96 + 0.01
NO_PICTURES = torch.zeros(COUNT, 1, 2, 2)

Change = Callable[[Observation, Setting], tuple[Observation, Setting]]


def changed(observation: Observation, change: Callable[[Tensor], Tensor], *parts: str) -> Observation:
    """Return the observation with some of its parts changed, all that there are by default."""
    there = [one.name for one in fields(observation) if getattr(observation, one.name) is not None]
    return replace(observation, **{part: change(getattr(observation, part)) for part in there if not parts or part in parts})


def seen(**parts: Tensor) -> Observation:
    return Observation(**({"pictures": NO_PICTURES} | parts))


def flat(*values: float, side: int = 16) -> Tensor:
    """Grey pictures of one value each, 0..255."""
    return (torch.tensor(values).float() / 127.5 - 1).view(-1, 1, 1, 1).expand(-1, 1, side, side)


# How pictures become worse, by a level in 0..1.


def moved_features(level: float) -> Observation:
    return seen(features=REAL_FEATURES[:COUNT] + 2 * level * (1 + FEATURE_NOISE))


def fewer_kinds(level: float) -> Observation:
    """The less pictures differ, the fewer real ones they reach."""
    return seen(features=torch.lerp(REAL_FEATURES[:COUNT], REAL_FEATURES[:1], level))


def eight_bits(pictures: Tensor) -> Tensor:
    return pictures.clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1)


def noisy(level: float) -> Observation:
    return seen(pictures=eight_bits(REAL + level * NOISE), target=REAL)


def blurred(level: float) -> Observation:
    return seen(pictures=eight_bits(torch.lerp(REAL, functional.avg_pool2d(REAL, 3, 1, 1, count_include_pad=False), level)))


def guessed(level: float) -> Observation:
    return seen(confusion=confusion_of_each(torch.where(level > CHANCE, GUESSES, LABELS), LABELS, classes=3))


def unsure(level: float) -> Observation:
    """Probabilities that all come to be the same, each picture by way of its own."""
    scattered = FEATURE_NOISE[:, :4].softmax(1) * 0.1
    return seen(probabilities=torch.lerp(0.9 * CERTAIN + scattered, torch.full_like(CERTAIN, 0.25), level))


@cache
def lpips_network() -> JudgeNetwork:
    with TemporaryDirectory() as directory:
        files = by_hand("lpips_alex").write(Path(directory))
        return SIMILARITIES.build("lpips_alex", files, data=SimpleNamespace(height=64, width=64), seed=0).requires_grad_(False)


def looked_at(pictures: Tensor, target: Tensor) -> Observation:
    """Pictures as the judge shows them to LPIPS: grey as three equal channels."""
    similarity = lpips_network().distances(coloured(pictures), coloured(target)).double()
    return Observation(pictures, target=target, similarity=similarity)


def less_alike(level: float) -> Observation:
    """Real pictures, repeated to the size that LPIPS needs, with noise."""
    target = REAL.repeat(1, 1, 2, 2)
    return looked_at(eight_bits(target + level * NOISE.repeat(1, 1, 2, 2)), target)


def with_nan(observation: Observation, part: str) -> Observation:
    return changed(observation, lambda values: values.index_fill(0, torch.tensor([3]), math.nan), part)


# What must not matter.


def of(change: Callable[[Tensor], Tensor], *parts: str) -> Change:
    return lambda observation, setting: (changed(observation, change, *parts), setting)


def of_all_features(change: Callable[[Tensor], Tensor]) -> Change:
    """The same change of the generated pictures' features and of the real ones'."""

    def both(observation: Observation, setting: Setting) -> tuple[Observation, Setting]:
        assert setting.reference is not None and setting.reference.features is not None
        return changed(observation, change, "features"), replace(setting, reference=Reference(change(setting.reference.features)))

    return both


def real_order(observation: Observation, setting: Setting) -> tuple[Observation, Setting]:
    assert setting.reference is not None and setting.reference.features is not None
    return observation, replace(setting, reference=Reference(setting.reference.features.flip(0)))


def swapped(observation: Observation, setting: Setting) -> tuple[Observation, Setting]:
    """The real pictures for the generated ones."""
    assert observation.target is not None
    return looked_at(observation.target, observation.pictures), setting


TURN = torch.linalg.qr(torch.randn(5, 5, generator=GENERATOR, dtype=torch.float64)).Q
SHUFFLE = torch.randperm(COUNT, generator=GENERATOR)
order = of(lambda part: part[SHUFFLE])
rotation = of_all_features(lambda features: features @ TURN)
shift = of_all_features(lambda features: features + 3)
scale = of_all_features(lambda features: features * 7)
flip = of(lambda part: part.flip(-1), "pictures", "target")
quarter_turn = of(lambda part: part.rot90(1, (-2, -1)), "pictures", "target")
brighter = of(lambda part: part + 8 / 127.5, "pictures", "target")
# A class by another name, wherever it stands.
other_names = of(lambda part: part[:, [1, 2, 0]][..., [1, 2, 0, 3]], "confusion")
all_pixels_twice = of(lambda part: part * 2, "confusion")
other_classes = of(lambda part: part.roll(1, 1), "probabilities")


def features_of(made: Sequence[Sequence[float]], real: Sequence[Sequence[float]]) -> tuple[Observation, Setting]:
    """Pictures by their features, among real ones."""
    features = torch.tensor(made, dtype=torch.float64)
    reference = Reference(torch.tensor(real, dtype=torch.float64))
    return Observation(torch.zeros(len(made), 1, 2, 2), features=features), Setting(reference=reference)
