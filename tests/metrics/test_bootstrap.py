"""Bootstrap intervals against what statistics says of a mean."""

import pytest
import torch

from autogc.metrics.bootstrap import interval
from autogc.metrics.metric import Observation, Setting
from autogc.metrics.psnr import Psnr


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    pictures = torch.zeros(400, 1, 4, 4)
    noise = torch.rand(400, 1, 1, 1, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.1
    metric = Psnr(Setting())
    metric.add(Observation(pictures, target=(pictures + noise).mul(127.5).round().div(127.5)))
    lower, upper = interval(metric, resamples=2000, seed=0)
    error = float(metric.kept.std()) / 20
    assert upper - lower == pytest.approx(2 * 1.96 * error, rel=0.08)
    assert (lower + upper) / 2 == pytest.approx(metric.value(), abs=0.2 * error)
    narrower = interval(metric, resamples=2000, seed=0, level=0.5)
    assert lower < narrower[0] < narrower[1] < upper
