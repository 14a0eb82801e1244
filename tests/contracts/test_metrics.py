"""What every metric must do: better is better, batches do not matter, its name is known. A new one adds one row to ``ROWS``."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from autogc.config.experiment import COSTS, SCORES
from autogc.errors import MetricError
from autogc.metrics import METRICS, Reference, lacking
from autogc.metrics.bootstrap import interval
from autogc.metrics.confusion import confusion_of_each
from autogc.metrics.metric import REMEDIES, ROLES, Metric, Observation, Setting
from autogc.search.pareto import minimizes
from autogc.tracking.quantities import QUANTITIES

COUNT = 12
DRAWS = torch.Generator().manual_seed(0)
REAL = torch.randint(0, 256, (COUNT, 3, 16, 20), generator=DRAWS).float() / 127.5 - 1
REAL_FEATURES = torch.randn(40, 5, generator=DRAWS, dtype=torch.float64)
NOISE = torch.randn(COUNT, 5, generator=DRAWS, dtype=torch.float64)
LABELS = torch.randint(0, 3, (COUNT, 16, 20), generator=DRAWS)
GUESSES = torch.randint(0, 3, (COUNT, 16, 20), generator=DRAWS)
GOOD_LABELS, BAD_LABELS = (confusion_of_each(found, LABELS, classes=3) for found in (torch.where(LABELS == 1, GUESSES, LABELS), GUESSES))


def pictures(noise: float) -> torch.Tensor:
    found = (REAL + noise * torch.randn(REAL.shape, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)
    return found.add(1).mul(127.5).round().div(127.5).sub(1)


def seen(**parts: torch.Tensor) -> Observation:
    return Observation(**({"pictures": REAL} | parts))


# What a good generator's pictures look like to the metric, and a bad one's.
ROWS: dict[str, tuple[Observation, Observation]] = {
    "fid": (seen(features=REAL_FEATURES[:COUNT] + 0.1 * NOISE), seen(features=REAL_FEATURES[:COUNT] + 1 + NOISE)),
    "miou": (seen(confusion=GOOD_LABELS), seen(confusion=BAD_LABELS)),
    "pixel_accuracy": (seen(confusion=GOOD_LABELS), seen(confusion=BAD_LABELS)),
    "inception_score": (
        seen(probabilities=torch.eye(4).repeat(3, 1).double() * 0.9 + 0.025),
        seen(probabilities=NOISE[:, :4].softmax(1)),
    ),
    "psnr": (seen(pictures=pictures(0.05), target=REAL), seen(pictures=pictures(0.3), target=REAL)),
    "ssim": (seen(pictures=pictures(0.05), target=REAL), seen(pictures=pictures(0.3), target=REAL)),
}
SETTING = Setting(class_names=("a", "b", "c"), reference=Reference(REAL_FEATURES))


def running(metric: type[Metric], observation: Observation, sizes: tuple[int, ...] = (COUNT,)) -> Metric:
    found, start = metric(SETTING), 0
    for size in sizes:
        parts = {one.name: getattr(observation, one.name) for one in fields(observation)}
        cut = {name: part[start : start + size] for name, part in parts.items() if part is not None}
        found.add(replace(observation, **cut))
        start += size
    assert start == COUNT
    return found


def value(metric: type[Metric], observation: Observation, sizes: tuple[int, ...] = (COUNT,)) -> float:
    return running(metric, observation, sizes).value()


def test_every_metric_has_a_row_and_the_experiment_file_knows_it() -> None:
    assert list(ROWS) == list(METRICS) == list(SCORES)


@pytest.mark.parametrize("name", METRICS)
def test_better_is_better(name: str) -> None:
    good, bad = (value(METRICS[name], observation) for observation in ROWS[name])
    assert (good > bad) == METRICS[name].higher_is_better and good != bad


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("sizes", [(1,) * COUNT, (5, 7), (11, 1)])
def test_how_pictures_are_batched_does_not_matter(name: str, sizes: tuple[int, ...]) -> None:
    assert value(METRICS[name], ROWS[name][0], sizes) == pytest.approx(value(METRICS[name], ROWS[name][0]), rel=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_a_selection_of_pictures_is_scored_like_those_pictures_alone(name: str) -> None:
    metric, observation = METRICS[name], ROWS[name][1]
    rows = torch.randint(COUNT, (COUNT,), generator=torch.Generator().manual_seed(2))
    parts = {one.name: getattr(observation, one.name) for one in fields(observation)}
    alone = metric(SETTING)
    alone.add(replace(observation, **{part: found[rows] for part, found in parts.items() if found is not None}))
    whole = running(metric, observation)
    assert whole.resampled(rows) == pytest.approx(alone.value(), rel=1e-9)
    assert whole.resampled(torch.arange(COUNT)) == whole.value()


@pytest.mark.parametrize("name", METRICS)
def test_intervals_hold_the_score_and_are_drawn_from_the_seed(name: str) -> None:
    metric = running(METRICS[name], ROWS[name][1])
    lower, upper = interval(metric, resamples=50, seed=3)
    assert lower < metric.value() < upper
    assert interval(metric, resamples=50, seed=3) == (lower, upper) != interval(metric, resamples=50, seed=4)


@pytest.mark.parametrize("name", METRICS)
def test_fewer_pictures_than_it_can_bear_are_refused(name: str) -> None:
    metric = METRICS[name]
    assert metric.least >= 1
    if metric.least == 1:
        return
    few = metric.least - 1
    parts = {one.name: getattr(ROWS[name][0], one.name) for one in fields(Observation)}
    found = metric(SETTING)
    found.add(replace(ROWS[name][0], **{part: value[:few] for part, value in parts.items() if value is not None}))
    with pytest.raises(MetricError):
        found.value()


@pytest.mark.parametrize("name", METRICS)
def test_it_asks_for_what_it_uses_and_for_nothing_else(name: str) -> None:
    metric, observation = METRICS[name], ROWS[name][0]
    assert metric.needs <= set(REMEDIES)
    parts = {"features": "features", "probabilities": "probabilities", "segmentation": "confusion", "pairs": "target"}
    there = {need for need, part in parts.items() if getattr(observation, part) is not None}
    # The size of pictures, and the features of real ones, are no part of an observation.
    assert metric.needs - {"windows", "real_features"} == there
    assert (metric.role() is None) == (not metric.needs & set(ROLES))
    assert lacking(name, metric.needs) == []
    assert len(lacking(name, ())) == len(metric.needs) and all(problem.startswith(f"{name} needs ") for problem in lacking(name, ()))


@pytest.mark.parametrize("name", METRICS)
def test_it_is_called_and_ordered_the_same_everywhere(name: str) -> None:
    metric, quantity = METRICS[name], QUANTITIES[name]
    assert metric.name == name and name not in COSTS
    assert (quantity.title, quantity.unit, quantity.higher_is_better) == (metric.title, metric.unit, metric.higher_is_better)
    assert quantity.is_score and minimizes(name) != metric.higher_is_better
    assert ("higher" if metric.higher_is_better else "lower") + " is better" in metric.meaning
