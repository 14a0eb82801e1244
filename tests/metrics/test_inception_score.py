"""The Inception Score: known values, and torchmetrics'."""

from __future__ import annotations

import math

import pytest
import torch

from autogc.errors import MetricError
from autogc.metrics.inception_score import InceptionScore, inception_score
from autogc.metrics.metric import Observation, Setting


def test_it_is_as_many_as_there_are_classes_at_best_and_one_at_worst() -> None:
    certain = torch.eye(7).repeat(4, 1)
    assert inception_score(certain) == pytest.approx(7)
    assert inception_score(certain[:1].repeat(9, 1)) == pytest.approx(1)  # all of one class
    assert inception_score(torch.full((9, 7), 1 / 7)) == pytest.approx(1)  # no idea


def test_by_hand() -> None:
    found = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    divergences = [0.9 * math.log(0.9 / 0.55) + 0.1 * math.log(0.1 / 0.45), 0.2 * math.log(0.2 / 0.55) + 0.8 * math.log(0.8 / 0.45)]
    assert inception_score(found) == pytest.approx(math.exp(sum(divergences) / 2))


@pytest.mark.filterwarnings("ignore:Metric `InceptionScore` will save all extracted features", "ignore:std")
def test_it_equals_torchmetrics() -> None:
    from torchmetrics.image.inception import InceptionScore as Other

    logits = torch.randn(50, 10, generator=torch.Generator().manual_seed(0)) * 3

    class Given(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return logits

    other = Other(feature=Given(), splits=1)
    other.update(torch.zeros(50, 3, 8, 8, dtype=torch.uint8))
    mean, _ = other.compute()
    assert inception_score(logits.softmax(1)) == pytest.approx(float(mean), rel=1e-5)


def test_batches_do_not_matter() -> None:
    probabilities = torch.rand(30, 5, generator=torch.Generator().manual_seed(1)).softmax(1).double()
    values = []
    for sizes in ((30,), (1, 29), (10, 10, 10)):
        running = InceptionScore(Setting())
        for part in probabilities.split(list(sizes)):
            running.add(Observation(torch.zeros(len(part), 3, 2, 2), probabilities=part))
        values.append(running.value())
    assert values == [values[0]] * 3


@pytest.mark.parametrize("wrong", [torch.ones(3, 2), torch.tensor([[1.5, -0.5]]), torch.tensor([[math.nan, 1.0]]), torch.ones(0, 2)])
def test_what_is_no_distribution_is_refused(wrong: torch.Tensor) -> None:
    with pytest.raises(MetricError, match="Inception Score"):
        inception_score(wrong)
