"""What every metric is: what it needs of a batch of pictures, what it keeps of each, and how that makes one number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor

from autogc.config.experiment import InceptionScoreConfig, KidConfig, PixelsConfig, ScoresConfig
from autogc.data import IGNORE_INDEX, Dataset
from autogc.errors import MetricError

if TYPE_CHECKING:
    from autogc.metrics.frechet import Reference

# features: of a feature network, and the mean and covariance of the real pictures'. real_features: those of each real picture, too.
# probabilities: of a feature network that tells classes apart.
# segmentation: of a segmenter, beside true labels. similarity: of a network that compares two pictures.
# pairs: the real picture that each generated one should be.
Need = Literal["features", "real_features", "probabilities", "segmentation", "similarity", "pairs", "windows"]
# Which of an experiment's networks answers a need; a need without one is answered by the data.
ROLES: Mapping[Need, str] = {
    "features": "feature_network",
    "real_features": "feature_network",
    "probabilities": "feature_network",
    "segmentation": "segmenter",
    "similarity": "similarity",
}
# How a user gets what is missing.
REMEDIES: Mapping[Need, str] = {
    "features": "needs scores.feature_network, which is null",
    "real_features": "needs the features of every real picture: a scores.feature_network that is not null, and no scores.reference, "
    "which has their mean and covariance alone",
    "probabilities": "needs a scores.feature_network that tells classes apart, such as lenet_mnist or dataset_classifier",
    "segmentation": "needs scores.segmenter, which is null (or auto, on a dataset without labels)",
    "similarity": "needs scores.similarity, a network that compares two pictures such as lpips_alex, which is null",
    "pairs": "needs a real picture for each generated one, which this kind of dataset does not have",
    "windows": "needs pictures of at least 11 pixels a side inside of scores.pixels.border",
}
# The side of the windows that structure is compared in.
WINDOW = 11


@dataclass(frozen=True)
class Setting:
    """What a metric may be told before it starts. ``reference`` is there for those that need features, and nowhere while it is made."""

    pixels: PixelsConfig = field(default_factory=PixelsConfig)
    kid: KidConfig = field(default_factory=KidConfig)
    inception_score: InceptionScoreConfig = field(default_factory=InceptionScoreConfig)
    class_names: tuple[str, ...] = ()
    ignore_index: int = IGNORE_INDEX
    seed: int = 0
    reference: Reference | None = None

    @classmethod
    def of(cls, scores: ScoresConfig, data: Dataset, *, seed: int) -> Setting:
        """Return what an experiment's ``scores`` and its data say."""
        return cls(
            pixels=scores.pixels,
            kid=scores.kid,
            inception_score=scores.inception_score,
            class_names=data.class_names,
            ignore_index=data.ignore_index,
            seed=seed,
        )

    @property
    def classes(self) -> int:
        return len(self.class_names)


@dataclass(frozen=True)
class Observation:
    """What is known of one batch of pictures. What no metric asked for is None.

    ``pictures`` and ``target`` are float (N, C, H, W) in [-1, 1], C 1 or 3, already rounded to 8 bits; ``features`` (N, D), float32 as
    networks give them, ``probabilities`` float64 (N, K) and ``confusion``, of a segmenter's labels with the true ones
    (metrics/confusion.py), int64 (N, classes, classes + 1), on the CPU. What is summed up over many pictures is summed in float64.
    """

    pictures: Tensor
    target: Tensor | None = None
    features: Tensor | None = None
    probabilities: Tensor | None = None
    confusion: Tensor | None = None
    similarity: Tensor | None = None


class Metric:
    """A score in the making: ``add`` each batch, then ask for the ``value``, which does not depend on how pictures were batched.

    A metric says what it keeps of each picture (``observe``) and what any selection of that is worth (``score``), so that it can be asked
    again for other selections of the same pictures (``resampled``). ``digits`` is how many decimals a reader wants, ``least`` the fewest
    pictures that it can be taken of, generated and real. ``on_real`` says that real pictures have a value of their own, worth knowing
    beside a generator's: mIoU, say, which no generator should expect to pass.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    meaning: ClassVar[str]  # one line for whoever receives a number
    higher_is_better: ClassVar[bool]
    needs: ClassVar[frozenset[Need]]
    unit: ClassVar[str] = ""
    digits: ClassVar[int | None] = None
    least: ClassVar[int] = 1
    on_real: ClassVar[bool] = False

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._kept: list[Tensor] = []

    def observe(self, seen: Observation) -> Tensor:
        """Return what is kept of each picture of a batch: (N, ...)."""
        raise NotImplementedError

    def score(self, kept: Tensor) -> float:
        """Return the score of pictures by what ``observe`` kept of them, (N, ...); raises ``MetricError`` where that does not suffice."""
        raise NotImplementedError

    def details(self, kept: Tensor) -> dict[str, float]:
        """Return what the score is made of, by name, where that is worth knowing: each class's part of a mean, say."""
        del kept
        return {}

    @classmethod
    def protocol(cls, setting: Setting) -> str | None:
        """Return how the number is made where there is a choice, in a few words, or None."""
        del setting
        return None

    @classmethod
    def role(cls) -> str | None:
        """Return which of the experiment's networks judges (a value of ``ROLES``); None where it is no network."""
        return next((ROLES[need] for need in sorted(cls.needs) if need in ROLES), None)

    def add(self, seen: Observation) -> None:
        """Take in a batch."""
        self._kept.append(self.observe(seen))

    @property
    def kept(self) -> Tensor:
        """Everything that was kept so far, (pictures, ...)."""
        if len(self._kept) > 1:
            self._kept = [torch.cat(self._kept)]
        return self._kept[0]

    @classmethod
    def fewest(cls, setting: Setting) -> int:
        """Return the fewest pictures that it can be taken of, generated and real, as ``setting`` says."""
        del setting
        return cls.least

    def value(self) -> float:
        """Return the score of everything that was added; raises ``MetricError`` where that does not suffice, and for NaN."""
        fewest = self.fewest(self.setting)
        there = sum(len(part) for part in self._kept)
        if there < fewest:
            raise MetricError(f"{self.name} needs at least {fewest} pictures, and there are {there}")
        found = self.score(self.kept)
        if not math.isfinite(found):
            raise MetricError(f"{self.name} came out as {found}: what it was taken of holds NaN or infinity")
        return found

    def resampled(self, rows: Tensor) -> float:
        """Return the score of a selection of the pictures: int64 indices, which may repeat.

        A metric that looks at pairs of pictures says itself what a picture that was drawn twice counts as.
        """
        return self.score(self.kept[rows])
