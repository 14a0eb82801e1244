"""What a judge found, put together from its metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from autogc.metrics import bootstrap
from autogc.metrics.metric import Metric


@dataclass(frozen=True)
class Look:
    """A first look, once ``images`` images, rounded up to whole batches, are judged; the others are if ``go_on`` says so of its scores."""

    images: int
    go_on: Callable[[Mapping[str, float]], bool]


@dataclass(frozen=True)
class FirstLook:
    """The ``scores`` of the first ``images`` images; those that so few can give."""

    images: int
    scores: dict[str, float]


@dataclass(frozen=True)
class Assessment:
    """What a judge found: ``scores`` by metric; ``intervals`` (lower, upper) around those, where resamples were asked for; ``details`` by
    metric, what a score is made of, such as the IoU of each class; ``first`` what a first look said, which is all there is where it ended
    there."""

    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    details: dict[str, dict[str, float]] = field(default_factory=dict)
    first: FirstLook | None = None


def assessment(metrics: Sequence[Metric], *, resamples: int, seed: int) -> Assessment:
    """Return what metrics that have seen every picture say, with intervals of so many resamples where that is more than none."""
    details = {metric.name: metric.details(metric.kept) for metric in metrics}
    intervals = {metric.name: bootstrap.interval(metric, resamples=resamples, seed=seed) for metric in metrics} if resamples else {}
    scores = {metric.name: metric.value() for metric in metrics}
    return Assessment(scores, intervals, {name: found for name, found in details.items() if found})
