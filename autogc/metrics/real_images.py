"""What is known of the real pictures that generated ones are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autogc.data import Split
from autogc.inference import full_float32, keeping_memory
from autogc.metrics.catalogue import METRICS
from autogc.metrics.frechet import Reference
from autogc.metrics.metric import Metric, Need, Observation, Setting
from autogc.metrics.networks import Networks
from autogc.metrics.observing import observed

REFERENCE_BATCH = 32


@dataclass(frozen=True)
class RealImages:
    """What the judge knows of the real images: their features, how many they are (None where statistics from a file do not say), and their
    own scores, such as mIoU, which no generator should expect to pass. ``statistics`` says what file the reference is from, if from one."""

    reference: Reference | None
    images: int | None
    scores: dict[str, float]
    reference_hash: str
    statistics: str | None = None


def judge_real(
    split: Split,
    *,
    limit: int,
    networks: Networks,
    metrics: Sequence[Metric],
    setting: Setting,
    device: torch.device,
    referenced: bool,
    given: bool,
) -> tuple[Reference | None, int, dict[str, float]]:
    """Return the reference of a split's real pictures, how many they are, and what each of ``metrics`` says of them, by name.

    There is a reference where it is asked for (``referenced``) and there is more than one picture. Nothing is looked at where it is
    ``given`` already and no metric asks.
    """
    needs = needs_of(metric.name for metric in metrics)
    if referenced:
        needs |= {"features"}
    elif given and not metrics:
        return None, 0, {}
    found: list[Tensor] = []
    count = 0
    with keeping_memory(), full_float32(), torch.inference_mode():
        for pictures, labels in _batches(split, limit=limit):
            seen = observed(networks, pictures.to(device), needs, setting, labels=labels)
            feed(metrics, seen)
            count += len(pictures)
            found += [] if seen.features is None else [seen.features]
    # Out of inference mode, or nothing that comes of them could be used with gradients or pickled for later use.
    # A single picture has no covariance, and nothing that is compared with it bears so few.
    reference = Reference(torch.cat(found).clone()) if found and count > 1 and not given else None
    enough = [metric for metric in metrics if count >= metric.fewest(setting)]
    return reference, count, {metric.name: metric.value() for metric in enough}


def needs_of(names: Iterable[str]) -> frozenset[Need]:
    """Return all that metrics, by name, need of a batch."""
    return frozenset(need for name in names for need in METRICS[name].needs)


def feed(metrics: Iterable[Metric], seen: Observation) -> None:
    """Add a batch to each metric."""
    for metric in metrics:
        metric.add(seen)


def _batches(split: Split, *, limit: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield the real pictures, with the labels of those that belong to samples."""
    if split.paired:
        yield from ((batch.target, batch.truth) for batch in split.batches(REFERENCE_BATCH, limit=limit))
    else:
        yield from ((pictures, None) for pictures in split.real_batches(REFERENCE_BATCH))
