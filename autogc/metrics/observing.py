"""Pictures as metrics get to know them: checked, rounded as they would be saved, and shown to the networks that are needed."""

from __future__ import annotations

import torch
from torch import Tensor

from autogc.errors import MetricError
from autogc.metrics.confusion import confusion_of_each
from autogc.metrics.metric import Need, Observation, Setting
from autogc.metrics.networks import Networks
from autogc.metrics.pixels import coloured


def observed(
    networks: Networks,
    pictures: Tensor,
    needs: frozenset[Need],
    setting: Setting,
    *,
    target: Tensor | None = None,
    labels: Tensor | None = None,
) -> Observation:
    """Show pictures (N, C, H, W) in [-1, 1] to the networks that ``needs`` ask for, to each once. ``target`` and ``labels`` (N, h, w) where
    those are needed."""
    seen = coloured(pictures)
    features = probabilities = confusion = similarity = None
    if needs & {"features", "probabilities"}:
        assert networks.features is not None
        if "probabilities" in needs:
            features, probabilities = networks.features.features_and_probabilities(seen)
            probabilities = probabilities.double().cpu()
        else:
            features = networks.features.features(seen)
        features = features.float().cpu()
    if "segmentation" in needs:
        assert networks.segmenter is not None and labels is not None
        labels = labels.to(seen.device)
        found = networks.segmenter.segment(seen, (labels.shape[1], labels.shape[2]))
        confusion = confusion_of_each(found, labels, classes=setting.classes, ignore_index=setting.ignore_index)
    if "similarity" in needs:
        assert networks.similarity is not None and target is not None
        similarity = networks.similarity.distances(seen, coloured(target)).double().cpu()
    return Observation(pictures, target=target, features=features, probabilities=probabilities, confusion=confusion, similarity=similarity)


def checked(pictures: Tensor, target: Tensor, *, names: list[str]) -> Tensor:
    """Return the pictures rounded to 8 bits; raises ``MetricError`` for what cannot be a picture of ``target``'s size."""
    if len(pictures) != len(names) or pictures.shape[1:] != target.shape[1:]:
        raise MetricError(f"the generator made {tuple(pictures.shape)}, the real images are {(len(names), *target.shape[1:])}")
    finite = torch.isfinite(pictures).flatten(1).all(1)
    if not finite.all():
        first = names[int((~finite).nonzero()[0])]
        raise MetricError(
            f"the generator's picture for {first!r} holds NaN or infinity ({int((~finite).sum())} of {len(names)} in its batch do)"
        )
    return pictures.float().clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1)
