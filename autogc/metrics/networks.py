"""The networks of one judge: what suits the dataset, or what the experiment names; one network for several roles where it says the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from autogc.config.experiment import Component, PixelsConfig, ScoresConfig
from autogc.data import Dataset
from autogc.errors import ConfigError
from autogc.losses import efficientnet_lite
from autogc.metrics.judge_networks.download import Downloadable, Published
from autogc.metrics.metric import WINDOW, Need
from autogc.metrics.registry import FEATURE_NETWORKS, SEGMENTERS, SIMILARITIES, JudgeNetwork, OfTeacher, Trainable
from autogc.progress import Progress

AUTO = "auto"
COLOURS = 3


@dataclass(frozen=True)
class Networks:
    """``features`` gives features and perhaps classes, ``segmenter`` the labels of pixels; they may be one network. ``similarity`` compares
    two pictures. Each may be absent."""

    features: JudgeNetwork | None
    segmenter: JudgeNetwork | None
    similarity: JudgeNetwork | None = None
    # Where real pictures are known by statistics from a file, each one's features are not.
    moments_only: bool = False

    @classmethod
    def build(cls, scores: ScoresConfig, data: Dataset, *, seed: int) -> Networks:
        """Return the networks, untrained where autogc is to train them. Raises ``ConfigError`` with every problem."""
        problems = problems_of(scores, data)
        if problems:
            raise ConfigError(problems)
        scores = resolved(scores, data)
        named, features, segmenter = scores.feature_network, None, None
        if named is not None:
            features = FEATURE_NETWORKS.build(named.name, named.args, data=data, seed=seed)
        if scores.segmenter is not None:
            same = features is not None and scores.segmenter == named
            segmenter = features if same else SEGMENTERS.build(scores.segmenter.name, scores.segmenter.args, data=data, seed=seed)
        similarity = None
        if scores.similarity is not None:
            similarity = SIMILARITIES.build(scores.similarity.name, scores.similarity.args, data=data, seed=seed)
        return cls(features, segmenter, similarity, moments_only=bool(scores.reference))

    @property
    def roles(self) -> dict[str, JudgeNetwork]:
        """Each network that there is once, by the first role it has."""
        found = {} if self.features is None else {"feature_network": self.features}
        if self.segmenter is not None and self.segmenter is not self.features:
            found["segmenter"] = self.segmenter
        if self.similarity is not None:
            found["similarity"] = self.similarity
        return found

    @property
    def distinct(self) -> tuple[JudgeNetwork, ...]:
        return tuple(self.roles.values())

    def offers(self, data: Dataset, pixels: PixelsConfig) -> frozenset[Need]:
        """Return what metrics can have of these networks and of the dataset, compared as ``pixels`` says."""
        there: dict[Need, bool] = {
            "features": self.features is not None,
            "real_features": self.features is not None and not self.moments_only,
            "probabilities": self.features is not None and self.features.classifies,
            "segmentation": self.segmenter is not None,
            "similarity": self.similarity is not None,
            "pairs": data.kind == "paired",
            "windows": min(data.height, data.width) - 2 * pixels.border >= WINDOW,
        }
        return frozenset(need for need, present in there.items() if present)

    @property
    def downloads(self) -> tuple[Published, ...]:
        """What must be downloaded before these networks can judge."""
        missing = [network.missing for network in self.distinct if isinstance(network, Downloadable)]
        return tuple(one for one in missing if one is not None)

    def fetch(self, progress: Progress) -> None:
        """Download and load what is missing. Raises ``CheckpointError`` where that is not to be had."""
        for network in self.distinct:
            if isinstance(network, Downloadable) and network.missing is not None:
                network.fill(network.missing.fetch(progress))

    def take(self, discriminator: Callable[[], nn.Module] | None) -> None:
        """Give the teacher's discriminator to those that judge by it. Raises ``ConfigError`` where they can't, or there is no teacher."""
        for network in self.distinct:
            if isinstance(network, OfTeacher):
                if discriminator is None:
                    raise ConfigError("scores.feature_network: teacher_discriminator judges in a run that has a teacher, and nowhere else")
                network.take(discriminator())

    def fit(self, data: Dataset, *, seed: int, device: torch.device, progress: Progress) -> None:
        """Train what is to be trained."""
        for network in self.distinct:
            if isinstance(network, Trainable):
                network.fit(data, seed=seed, device=device, progress=progress)

    def hashes(self) -> dict[str, str | None]:
        """Return the hash of each role's weights."""
        by_role = {"feature_network": self.features, "segmenter": self.segmenter, "similarity": self.similarity}
        return {role: None if network is None else network.weights_hash for role, network in by_role.items()}

    def described(self, hashes: Mapping[str, str | None] | None = None) -> dict[str, Any]:
        """Return labels and hashes (``hashes()``, where somebody has them already), for showing beside scores."""
        hashes = hashes or self.hashes()
        return {
            "feature_network": None if self.features is None else self.features.label,
            "feature_network_hash": hashes["feature_network"],
            "segmenter": None if self.segmenter is None else self.segmenter.label,
            "segmenter_hash": hashes["segmenter"],
            "similarity": None if self.similarity is None else self.similarity.label,
            "similarity_hash": hashes["similarity"],
        }


def resolved(scores: ScoresConfig, data: Dataset) -> ScoresConfig:
    """Return ``scores`` with what ``auto`` stands for on this dataset; a feature network stays ``auto`` where nothing suits.

    It is never Inception, whose weights some machines have and others not: one file would give two kinds of FID.
    """
    labelled = bool(data.class_names) and data.kind == "paired"
    changes: dict[str, Component | None] = {}
    if scores.feature_network is not None and scores.feature_network.name == AUTO:
        without = "efficientnet_lite0" if data.target_channels == COLOURS and efficientnet_lite.find() else AUTO
        suits = "dataset_segmenter" if labelled else "dataset_classifier" if data.domain_names else without
        changes["feature_network"] = scores.feature_network.model_copy(update={"name": suits})
    if scores.segmenter is not None and scores.segmenter.name == AUTO:
        changes["segmenter"] = scores.segmenter.model_copy(update={"name": "dataset_segmenter"}) if labelled else None
    return scores.model_copy(update=changes)


def problems_of(scores: ScoresConfig, data: Dataset) -> list[str]:
    """Return what is wrong with judging ``data`` by ``scores``, before anything is built or trained; empty when nothing is."""
    given = ("data", "seed")
    scores = resolved(scores, data)
    problems = []
    named = scores.feature_network
    if named is not None and named.name == AUTO:
        colour = data.target_channels == COLOURS
        install = f"install the one that auto is for photographs ({efficientnet_lite.INSTALL}), or " if colour else ""
        problems.append(
            f"scores.feature_network: this dataset has neither labels nor domains to train a network with, so {install}name one "
            f"({', '.join(sorted(FEATURE_NETWORKS))}; dataset_rotations needs pictures alone), or set it to null for scores without FID"
        )
    elif named is not None:
        problems += FEATURE_NETWORKS.problems(named.name, named.args, given=given)
    if scores.segmenter is not None:
        problems += SEGMENTERS.problems(scores.segmenter.name, scores.segmenter.args, given=given)
        if not data.class_names or data.kind != "paired":
            problems.append("scores.segmenter: this dataset has no labels, so mIoU cannot be given; set segmenter to null")
    if scores.similarity is not None:
        problems += SIMILARITIES.problems(scores.similarity.name, scores.similarity.args, given=given)
        if data.kind != "paired":
            problems.append("scores.similarity: this dataset has no real picture for each generated one; set similarity to null")
    return [f"scores: {problem}" if not problem.startswith("scores") else problem for problem in dict.fromkeys(problems)]
