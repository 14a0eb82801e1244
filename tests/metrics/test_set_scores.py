"""What KID, the Inception Score, precision and recall promise beyond the contract: published protocols, and the real pictures done once."""

from __future__ import annotations

import pickle

import pytest
import torch

from autogc.config.experiment import InceptionScoreConfig, KidConfig
from autogc.errors import MetricError
from autogc.metrics import Reference, inception_score, precision_recall
from autogc.metrics.bootstrap import interval
from autogc.metrics.inception_score import InceptionScore
from autogc.metrics.kid import Kid, kernel_distance
from autogc.metrics.metric import Metric, Observation, Setting
from autogc.metrics.precision_recall import Precision, Recall

DRAWS = torch.Generator().manual_seed(0)
REAL, MADE = (torch.randn(60, 6, generator=DRAWS, dtype=torch.float64) + apart for apart in (0.0, 0.3))
ROWS = torch.randn(45, 5, generator=DRAWS, dtype=torch.float64).softmax(1)


def of_features(metric: type[Metric], made: torch.Tensor = MADE, **setting: object) -> Metric:
    found = metric(Setting(**{"reference": Reference(REAL)} | setting))
    found.add(Observation(torch.zeros(len(made), 1, 2, 2), features=made))
    return found


def of_probabilities(**setting: object) -> Metric:
    found = InceptionScore(Setting(**setting))
    found.add(Observation(torch.zeros(len(ROWS), 1, 2, 2), probabilities=ROWS))
    return found


def test_kid_over_subsets_is_the_mean_of_kid_and_says_how_they_scatter() -> None:
    all_pairs, config = of_features(Kid).value(), KidConfig(subsets=400, subset_size=20)
    subsets = of_features(Kid, kid=config)
    spread = subsets.details(subsets.kept)["std"]
    assert subsets.value() == pytest.approx(all_pairs, abs=4 * spread / 400**0.5) and spread > 0
    assert of_features(Kid, kid=config).value() == subsets.value() != of_features(Kid, kid=config, seed=1).value()
    # A subset of everything is everything.
    whole = of_features(Kid, kid=KidConfig(subsets=2, subset_size=60))
    assert whole.value() == pytest.approx(all_pairs, rel=1e-9) and whole.details(whole.kept)["std"] == pytest.approx(0, abs=1e-12)
    assert "400 random subsets of 20" in Kid.protocol(subsets.setting) and "all pairs" in Kid.protocol(Setting())
    assert of_features(Kid).details(MADE) == {}
    with pytest.raises(MetricError, match="kid needs at least 1000 pictures, and there are 60"):
        of_features(Kid, kid=KidConfig(subsets=100)).value()


def test_kid_is_unbiased_where_both_sets_are_of_one_kind() -> None:
    draws = torch.Generator().manual_seed(1)
    found = [kernel_distance(*torch.randn(2, 30, 4, generator=draws, dtype=torch.float64)) for _ in range(400)]
    scores = torch.tensor(found)
    assert abs(float(scores.mean())) < 3 * float(scores.std()) / 20 and (scores < 0).any()


def test_kids_interval_is_as_wide_as_kid_scatters() -> None:
    draws = torch.Generator().manual_seed(2)
    again = [kernel_distance(torch.randn(60, 6, generator=draws, dtype=torch.float64) + 0.3, REAL) for _ in range(300)]
    expected = torch.tensor(again, dtype=torch.float64).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).diff().item()
    lower, upper = interval(of_features(Kid), resamples=300, seed=0)
    assert 0.6 * expected < upper - lower < 1.6 * expected


def test_blocks_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [of_features(metric).value() for metric in (Kid, Precision, Recall)]
    rows = torch.randint(60, (60,), generator=DRAWS)
    resampled = of_features(Kid).resampled(rows)
    monkeypatch.setattr("autogc.metrics.features.ROWS", 7)
    assert [of_features(metric).value() for metric in (Kid, Precision, Recall)] == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr("autogc.metrics.kid.WHOLE", 10)
    assert of_features(Kid).resampled(rows) == pytest.approx(resampled, rel=1e-12)


def test_what_is_of_the_real_pictures_alone_is_done_once_and_goes_to_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = Reference(REAL)
    expected = [of_features(metric, reference=reference).value() for metric in (Kid, Precision, Recall)]
    monkeypatch.setattr(precision_recall, "squared_radii", None)
    assert of_features(Precision, reference=reference).value() == expected[1]
    sent = pickle.loads(pickle.dumps(reference))
    assert of_features(Precision, reference=sent).value() == expected[1]
    assert of_features(Kid, reference=sent).value() == expected[0]


def test_features_of_two_networks_are_not_compared() -> None:
    for metric in (Kid, Precision, Recall):
        with pytest.raises(MetricError, match="5 features against 6"):
            of_features(metric, MADE[:, :5]).value()


def test_splits_of_the_inception_score() -> None:
    ten = of_probabilities(inception_score=InceptionScoreConfig(splits=10))
    mixed = ROWS[torch.randperm(45, generator=torch.Generator().manual_seed(0))]
    # 45 pictures in ten parts: four, five, four, ...
    parts = [inception_score(mixed[place * 45 // 10 : (place + 1) * 45 // 10]) for place in range(10)]
    scores = torch.tensor(parts, dtype=torch.float64)
    assert ten.value() == pytest.approx(float(scores.mean()), rel=1e-12)
    assert ten.details(ten.kept) == {"std": pytest.approx(float(scores.std(correction=0)), rel=1e-9)}
    one = of_probabilities()
    assert one.value() == inception_score(ROWS) > ten.value() and one.details(one.kept) == {}
    assert "10 splits" in InceptionScore.protocol(ten.setting)
    with pytest.raises(MetricError, match="inception_score needs at least 60 pictures"):
        of_probabilities(inception_score=InceptionScoreConfig(splits=30)).value()
