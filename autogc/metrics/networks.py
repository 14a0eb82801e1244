"""The networks of one judge: built from the experiment file, one network for both scores where it says the same twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from autogc.config.experiment import ScoresConfig
from autogc.data import Dataset
from autogc.errors import ConfigError
from autogc.metrics.registry import FEATURE_NETWORKS, SEGMENTERS, JudgeNetwork, Trainable
from autogc.progress import Progress


@dataclass(frozen=True)
class Networks:
    """``features`` gives the Fréchet distance its features, ``segmenter`` gives mIoU its labels; they may be one network."""

    features: JudgeNetwork
    segmenter: JudgeNetwork | None

    @classmethod
    def build(cls, scores: ScoresConfig, data: Dataset, *, seed: int) -> Networks:
        """Return the networks, untrained where autogc is to train them. Raises ``ConfigError`` with every problem."""
        problems = problems_of(scores, data)
        if problems:
            raise ConfigError(problems)
        features = FEATURE_NETWORKS.build(scores.feature_network.name, scores.feature_network.args, data=data, seed=seed)
        if scores.segmenter is None:
            return cls(features, None)
        if scores.segmenter == scores.feature_network:
            return cls(features, features)
        return cls(features, SEGMENTERS.build(scores.segmenter.name, scores.segmenter.args, data=data, seed=seed))

    @property
    def distinct(self) -> tuple[JudgeNetwork, ...]:
        if self.segmenter is None or self.segmenter is self.features:
            return (self.features,)
        return (self.features, self.segmenter)

    def fit(self, data: Dataset, *, seed: int, device: torch.device, progress: Progress) -> None:
        """Train what is to be trained."""
        for network in self.distinct:
            if isinstance(network, Trainable):
                network.fit(data, seed=seed, device=device, progress=progress)

    def hashes(self) -> dict[str, str | None]:
        """Return the hash of each role's weights."""
        return {
            "feature_network": self.features.weights_hash,
            "segmenter": None if self.segmenter is None else self.segmenter.weights_hash,
        }

    def described(self) -> dict[str, Any]:
        """Return labels and hashes, for showing beside scores."""
        hashes = self.hashes()
        return {
            "feature_network": self.features.label,
            "feature_network_hash": hashes["feature_network"],
            "segmenter": None if self.segmenter is None else self.segmenter.label,
            "segmenter_hash": hashes["segmenter"],
        }


def problems_of(scores: ScoresConfig, data: Dataset) -> list[str]:
    """Return what is wrong with judging ``data`` by ``scores``, before anything is built or trained; empty when nothing is."""
    given = ("data", "seed")
    problems = FEATURE_NETWORKS.problems(scores.feature_network.name, scores.feature_network.args, given=given)
    if scores.segmenter is not None:
        problems += SEGMENTERS.problems(scores.segmenter.name, scores.segmenter.args, given=given)
        if not data.class_names:
            problems.append("scores.segmenter: this dataset has no labels, so mIoU cannot be given; set segmenter to null")
    return [f"scores: {problem}" if not problem.startswith("scores") else problem for problem in dict.fromkeys(problems)]
