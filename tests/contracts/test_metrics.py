"""What every metric must do. A new one adds one row, with every part, to ``metric_rows.ROWS``."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_rows import ROWS, Known, Row
from metric_scenes import COUNT, changed

from autogc.config.experiment import COSTS, SCORES
from autogc.errors import MetricError
from autogc.metrics import METRICS, Reference, lacking
from autogc.metrics.bootstrap import interval
from autogc.metrics.limits import minimizes
from autogc.metrics.metric import REMEDIES, ROLES, Metric, Observation, Setting
from autogc.tracking.quantities import QUANTITIES

LEVELS = (0.02, 0.2, 0.45, 0.9)
MIDDLE = 0.45
EVERY = pytest.mark.parametrize("name", METRICS)


def said(part: str | Known) -> str:
    return part.why if isinstance(part, Known) else part


def running(name: str, observation: Observation, setting: Setting, sizes: tuple[int, ...] | None = None) -> Metric:
    found, start = METRICS[name](setting), 0
    for size in sizes or (len(observation.pictures),):
        found.add(changed(observation, lambda part, chosen=slice(start, start + size): part[chosen]))
        start += size
    return found


def value(name: str, observation: Observation, setting: Setting, sizes: tuple[int, ...] | None = None) -> float:
    return running(name, observation, setting, sizes).value()


def middling(name: str) -> tuple[Observation, Setting]:
    return ROWS[name].worse(MIDDLE), ROWS[name].setting


def test_every_metric_has_a_whole_row_and_the_experiment_file_knows_it() -> None:
    assert list(METRICS) == list(SCORES) and set(ROWS) == set(METRICS)
    for name, row in ROWS.items():
        assert row.known and row.broken and "order" in row.invariances and len(row.invariances) > 1, name
        own_rule = METRICS[name].resampled is not Metric.resampled
        assert own_rule == (row.resampled is not None), name


@pytest.mark.parametrize(("name", "known"), [(name, known) for name, row in ROWS.items() for known in row.known], ids=said)
def test_values_that_are_known_by_hand(name: str, known: Known) -> None:
    observation, setting = known.scene
    assert value(name, observation, setting) == pytest.approx(known.value, rel=1e-6, abs=1e-9), known.why


@pytest.mark.parametrize(("name", "change"), [(name, change) for name, row in ROWS.items() for change in row.invariances])
def test_what_must_not_matter_does_not(name: str, change: str) -> None:
    observation, setting = middling(name)
    after = ROWS[name].invariances[change](observation, setting)
    assert value(name, *after) == pytest.approx(value(name, observation, setting), rel=min(1e-6, ROWS[name].tolerance))


@EVERY
def test_the_worse_the_pictures_the_worse_the_score(name: str) -> None:
    scores = [value(name, ROWS[name].worse(level), ROWS[name].setting) for level in LEVELS]
    assert sorted(scores, reverse=METRICS[name].higher_is_better) == scores and len(set(scores)) == len(LEVELS)


@EVERY
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_it_agrees_with_an_independent_implementation(name: str, data: st.DataObject) -> None:
    row: Row = ROWS[name]
    observation, setting = data.draw(row.draw)
    expected = row.independent(observation, setting)
    assert value(name, observation, setting) == pytest.approx(expected, rel=row.tolerance, abs=row.tolerance)


@EVERY
@pytest.mark.parametrize("sizes", [(1,) * COUNT, (5, 7), (11, 1)])
def test_how_pictures_are_batched_does_not_matter(name: str, sizes: tuple[int, ...]) -> None:
    assert value(name, *middling(name), sizes) == pytest.approx(value(name, *middling(name)), rel=1e-12)


@EVERY
def test_a_selection_of_pictures_is_scored_like_those_pictures_alone(name: str) -> None:
    observation, setting = middling(name)
    rows = torch.randint(COUNT, (COUNT,), generator=torch.Generator().manual_seed(2))
    own_rule = ROWS[name].resampled
    alone = (
        value(name, changed(observation, lambda part: part[rows]), setting) if own_rule is None else own_rule(observation, setting, rows)
    )
    whole = running(name, observation, setting)
    assert whole.resampled(rows) == pytest.approx(alone, rel=1e-9)
    assert whole.resampled(torch.arange(COUNT)) == pytest.approx(whole.value(), rel=1e-12)


@EVERY
def test_intervals_hold_the_score_and_are_drawn_from_the_seed(name: str) -> None:
    metric = running(name, *middling(name))
    lower, upper = interval(metric, resamples=50, seed=3)
    assert lower < metric.value() < upper
    assert interval(metric, resamples=50, seed=3) == (lower, upper) != interval(metric, resamples=50, seed=4)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if "features" in metric.needs])
def test_features_may_be_float32_as_networks_give_them(name: str) -> None:
    observation, setting = middling(name)
    assert setting.reference is not None and setting.reference.features is not None
    single = replace(setting, reference=Reference(setting.reference.features.float()))
    found = running(name, changed(observation, torch.Tensor.float, "features"), single)
    assert found.value() == pytest.approx(value(name, observation, setting), rel=1e-4)
    expected = interval(running(name, observation, setting), resamples=20, seed=0)
    assert interval(found, resamples=20, seed=0) == pytest.approx(expected, rel=1e-4)


@EVERY
def test_fewer_pictures_than_it_can_bear_are_refused_and_as_many_are_not(name: str) -> None:
    observation, setting = middling(name)
    least = METRICS[name].fewest(setting)
    assert least == METRICS[name].least >= 1
    with pytest.raises(MetricError, match="and there are 0"):
        METRICS[name](setting).value()
    for few in range(1, least):
        with pytest.raises(MetricError, match=f"{name} needs at least {least} pictures, and there are {few}"):
            value(name, changed(observation, lambda part, few=few: part[:few]), setting)
    assert isinstance(value(name, changed(observation, lambda part: part[:least]), setting), float)


@pytest.mark.parametrize(("name", "broken"), [(name, broken) for name, row in ROWS.items() for broken in row.broken])
def test_what_is_no_input_is_an_error_and_not_a_number(name: str, broken: str) -> None:
    with pytest.raises(MetricError):
        value(name, ROWS[name].broken[broken], ROWS[name].setting)


@EVERY
def test_it_asks_for_what_it_uses_and_for_nothing_else(name: str) -> None:
    metric, observation = METRICS[name], ROWS[name].worse(MIDDLE)
    assert metric.needs <= set(REMEDIES)
    parts = {"pairs": "target", "segmentation": "confusion"} | {one.name: one.name for one in fields(observation)}
    there = {need for need in REMEDIES if need in parts and getattr(observation, parts[need]) is not None}
    # The size of pictures, and the features of real ones, are no part of an observation; a picture's target lies there for any.
    assert metric.needs - {"windows", "real_features"} == there - ({"pairs"} - metric.needs)
    assert (metric.role() is None) == (not metric.needs & set(ROLES))
    assert lacking(name, metric.needs) == []
    assert len(lacking(name, ())) == len(metric.needs) and all(problem.startswith(f"{name} needs ") for problem in lacking(name, ()))


@EVERY
def test_it_is_called_and_ordered_the_same_everywhere(name: str) -> None:
    metric, quantity = METRICS[name], QUANTITIES[name]
    assert metric.name == name and name not in COSTS
    assert (quantity.title, quantity.unit, quantity.higher_is_better) == (metric.title, metric.unit, metric.higher_is_better)
    assert quantity.is_score and minimizes(name) != metric.higher_is_better
    assert ("higher" if metric.higher_is_better else "lower") + " is better" in metric.meaning
