"""Latency: what is run, what is reported, and what is left as it was."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn

from autogc.config.experiment import LatencyConfig
from autogc.cost import measure_latency
from autogc.cost.latency import device_name
from autogc.errors import ConfigError


class Sleeper(nn.Module):
    """Takes a known time, longer in the first call; keeps the shapes and threads that it saw in a list that copies share."""

    def __init__(self, log: list[tuple[int, int, bool]]) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.log = log

    def __deepcopy__(self, memo: object) -> Sleeper:
        return Sleeper(self.log)

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.05 if not self.log else 0.002)
        self.log.append((len(x), torch.get_num_threads(), self.training))
        return x * self.scale


def test_the_protocol() -> None:
    log: list[tuple[int, int, bool]] = []
    before = torch.get_num_threads()
    network = Sleeper(log).train()
    found = measure_latency(network, torch.zeros(3, 1, 2, 2), LatencyConfig(warmup=2, runs=7, threads=2))
    assert log == [(1, 2, False)] * 9
    assert 2.0 <= found.median_ms < 40 and found.mean_ms >= 2.0 and 0 <= found.spread_ms < 40
    assert (found.runs, found.warmup, found.threads) == (7, 2, 2)
    assert found.device == device_name(torch.device("cpu")) != ""
    assert found.to_json()["median_ms"] == found.median_ms
    assert network.training and torch.get_num_threads() == before


def test_threads_are_restored_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError):
        measure_latency(nn.Linear(3, 3), torch.zeros(1, 4), LatencyConfig(warmup=0, runs=1, threads=before + 1))
    assert torch.get_num_threads() == before


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'cuda:7'.*no CUDA device|there are . CUDA devices"):
        measure_latency(nn.Identity(), torch.zeros(1, 1), LatencyConfig(device="cuda:7"))
    with pytest.raises(ConfigError, match="'gpu' is not a device"):
        measure_latency(nn.Identity(), torch.zeros(1, 1), LatencyConfig(device="gpu"))
    with pytest.raises(ConfigError, match="'meta'"):
        measure_latency(nn.Identity(), torch.zeros(1, 1), LatencyConfig(device="meta"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_is_timed_to_its_end() -> None:
    matrix = nn.Linear(8192, 8192, bias=False)
    found = measure_latency(matrix, torch.zeros(1, 8192, 8192), LatencyConfig(device="cuda", warmup=3, runs=5))
    # 550 G multiply-accumulates: no device does them in a tenth of a millisecond, which is what an unfinished launch would show.
    assert found.median_ms > 1 and found.device == torch.cuda.get_device_name()
