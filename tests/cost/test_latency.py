"""Latency end to end: what is run, what is reported, and what is left as it was. With a clock that the network itself moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autogc.config.experiment import LatencyConfig
from autogc.cost.latency import BACKENDS, Instruments, Latency, backends, device_name, measure_latency, protocol_of
from autogc.cost.latency.devices import Load, Ticks
from autogc.errors import ConfigError


class Clock:
    """Nanoseconds that pass when a ``Timed`` network runs; copies share it."""

    def __init__(self) -> None:
        self.nanoseconds = 0

    def __deepcopy__(self, memo: object) -> Clock:
        return self


class Timed(nn.Module):
    """Takes 1, 2, 3, ... milliseconds, one more in each call, and notes what it saw."""

    def __init__(self, clock: Clock, log: list[tuple[int, int, bool]]) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.clock, self.log = clock, log

    def __deepcopy__(self, memo: object) -> Timed:
        return Timed(self.clock, self.log)

    def forward(self, x: Tensor) -> Tensor:
        self.log.append((len(x), torch.get_num_threads(), self.training))
        self.clock.nanoseconds += len(self.log) * 1_000_000
        return x * self.scale


class FixedLoad(Load):
    """A machine of which others use ``shares``, one after the other, and then the last for ever."""

    def __init__(self, *shares: float | None) -> None:
        self.shares = list(shares)
        self.asked = 0

    def since(self, start: Ticks | None) -> float | None:
        self.asked += 1
        return self.shares[min(self.asked, len(self.shares)) - 1]

    def before(self) -> float | None:
        return self.since(None)


def instruments(clock: Clock, *shares: float | None) -> Instruments:
    load = FixedLoad(*(shares or (0.0,)))
    return Instruments(now=lambda: clock.nanoseconds, load=lambda device: load)


def test_the_protocol() -> None:
    log: list[tuple[int, int, bool]] = []
    clock, before = Clock(), torch.get_num_threads()
    network = Timed(clock, log).train()
    config = LatencyConfig(warmup=2, runs=7, threads=2)
    found = measure_latency(network, torch.zeros(3, 1, 2, 2), config, instruments=instruments(clock))
    assert log == [(1, 2, False)] * 9
    # Runs of 3 to 9 ms: the median 6, quartiles at 4.5 and 7.5.
    assert (found.median_ms, found.mean_ms, found.spread_ms) == (6.0, 6.0, 3.0)
    assert (found.runs, found.warmup, found.threads, found.backend, found.busy) == (7, 2, 2, "eager", 0.0)
    assert found.versions == {"torch": torch.__version__} and not found.disturbed and found.beside is None
    assert found.device == device_name(torch.device("cpu")) != ""
    assert Latency.from_json(found.to_json()) == found
    assert network.training and torch.get_num_threads() == before
    assert protocol_of(config) == ("batch 1 on cpu, 2 threads, PyTorch eager, median of 7 runs after 2, ± the distance between quartiles")


def test_what_ran_beside_a_measurement_is_said() -> None:
    clock = Clock()
    config = LatencyConfig(warmup=0, runs=2, patience_s=0)
    found = measure_latency(Timed(clock, []), torch.zeros(1, 1), config, instruments=instruments(clock, 0.6, 0.45))
    assert (found.busy, found.disturbed, found.beside) == (0.45, True, 0.45)
    unknown = measure_latency(Timed(clock, []), torch.zeros(1, 1), config, instruments=instruments(clock, None))
    assert (unknown.busy, unknown.disturbed) == (None, False)
    # Too short for the kernel's ticks to tell: what was there just before.
    short = measure_latency(Timed(clock, []), torch.zeros(1, 1), config, instruments=instruments(clock, 0.6, None))
    assert short.busy == 0.6


def test_a_busy_machine_is_waited_for_but_not_for_ever() -> None:
    load = FixedLoad(0.9, 0.5, 0.02, 0.9)
    assert load.wait(60) == 0.02 and load.asked == 3
    assert FixedLoad(0.9).wait(0) == 0.9
    assert FixedLoad(None).wait(60) is None


def test_threads_are_restored_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError):
        measure_latency(nn.Linear(3, 3), torch.zeros(1, 4), LatencyConfig(warmup=0, runs=1, threads=before + 1, patience_s=0))
    assert torch.get_num_threads() == before


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'cuda:7'.*no CUDA device|there are . CUDA devices"):
        measure_latency(nn.Identity(), torch.zeros(1, 1), LatencyConfig(device="cuda:7"))
    with pytest.raises(ConfigError, match="'gpu' is not a device"):
        measure_latency(nn.Identity(), torch.zeros(1, 1), LatencyConfig(device="gpu"))
    with pytest.raises(ConfigError, match="'meta'"):
        measure_latency(nn.Identity(), torch.zeros(1, 1), LatencyConfig(device="meta"))


class Network(nn.Module):
    """Convolutions, a norm layer, padding and an upsampling, as generators have them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.InstanceNorm2d(8)
        self.last = nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.last(torch.relu(self.norm(self.first(nn.functional.pad(x, (1, 1, 1, 1), mode="reflect"))))))


@pytest.mark.parametrize("name", ["eager", "onnxruntime", pytest.param("compile", marks=pytest.mark.slow)])
def test_backends(name: str) -> None:
    torch.manual_seed(0)
    config = LatencyConfig(backend=name, warmup=1, runs=3, threads=1, patience_s=0)  # type: ignore[arg-type]
    found = measure_latency(Network(), torch.randn(2, 3, 16, 16), config)
    assert found.backend == name and found.median_ms > 0 and found.spread_ms >= 0
    assert set(found.versions) == set(BACKENDS[name].packages)


def test_another_image_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend whose image is another one would be timed at another task."""
    exported: Callable[..., bytes] = backends.onnx_bytes

    def other(module: nn.Module, image: Tensor) -> bytes:
        with torch.no_grad():
            next(module.parameters()).mul_(1.5)
        made = exported(module, image)
        with torch.no_grad():
            next(module.parameters()).div_(1.5)
        return made

    monkeypatch.setattr(backends, "onnx_bytes", other)
    with pytest.raises(ConfigError, match="the ONNX export of this generator is not the same network: its image differs by"):
        measure_latency(nn.Conv2d(3, 3, 1), torch.randn(1, 3, 4, 4), LatencyConfig(backend="onnxruntime", warmup=0, runs=1))


def test_what_a_backend_needs_is_said_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    monkeypatch.setattr(backends.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"onnx, onnxscript, onnxruntime not installed: pip install 'autogc\[onnx\]'"):
        measure_latency(nn.Identity(), torch.zeros(1, 1), LatencyConfig(backend="onnxruntime"))
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler on this machine: apt-get install g\+\+"):
        measure_latency(nn.Identity(), torch.zeros(1, 1), LatencyConfig(backend="compile"))


class Unexportable(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(np.linalg.pinv(x[0, 0].numpy()))[None, None]


def test_what_onnx_cannot_say_is_refused() -> None:
    with pytest.raises(ConfigError, match="this generator can't be exported to ONNX"):
        measure_latency(Unexportable(), torch.randn(1, 1, 4, 4), LatencyConfig(backend="onnxruntime", warmup=0, runs=1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_is_timed_to_its_end() -> None:
    matrix = nn.Linear(8192, 8192, bias=False)
    found = measure_latency(matrix, torch.zeros(1, 8192, 8192), LatencyConfig(device="cuda", warmup=3, runs=5))
    # 550 G multiply-accumulates: no device does them in a tenth of a millisecond, which is what an unfinished launch would show.
    assert found.median_ms > 1 and found.device == torch.cuda.get_device_name()
