"""What takes the times that a latency table is made of: the device itself, or in tests a clock of their own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

import torch
from torch import nn

from autogc.config.experiment import LatencyConfig
from autogc.cost.latency.backends import backend_of
from autogc.cost.latency.calls import timed_calls
from autogc.cost.latency.devices import latency_device
from autogc.cost.latency.measure import Instruments, timed_runs
from autogc.device_lock import measuring
from autogc.inference import threads_set

# Seconds a candidate's runs may take, and how many runs there are at least and at most: of layers, of whole networks.
LAYER_SECONDS, LAYER_RUNS = 0.6, (3, 15)
WHOLE_SECONDS, WHOLE_RUNS = 0.6, (7, 60)
# Seconds that are waited for a quiet machine in a whole build.
PATIENCE = 60.0


@dataclass(frozen=True)
class Measured:
    """Milliseconds of a candidate's calls in their order and of the whole, where they were asked for; what others used of the machine."""

    calls: list[float] = field(default_factory=list)
    whole: float | None = None
    busy: float | None = None


class Meter(Protocol):
    """Takes times of a subnet."""

    def measure(self, module: nn.Module, *, layers: bool, whole: bool) -> Measured:
        """Return the medians of several runs: of each operator call, where ``layers`` says so, and end to end, where ``whole`` does."""


class DeviceMeter:
    """Measures on the device, with the backend and the threads that ``config`` says, on inputs of ``shape`` (N, C, H, W), the first image.

    Layers are timed in PyTorch as it is, one after the other in their own network: so their inputs are where the layer before left them,
    and their weights as cold as they are when an image is made.
    """

    def __init__(self, config: LatencyConfig, shape: Sequence[int], *, instruments: Instruments | None = None) -> None:
        self._config = config
        self._device = latency_device(config.device)
        self._backend = backend_of(config.backend, self._device)
        self._eager = backend_of("eager", self._device)
        self._image = torch.zeros(1, *shape[1:])
        self._instruments = instruments or Instruments()
        self._patience = min(PATIENCE, 6 * config.patience_s)

    def measure(self, module: nn.Module, *, layers: bool, whole: bool) -> Measured:
        """Return the medians of several runs."""
        now = self._instruments.now
        with threads_set(self._config.threads) as threads, torch.inference_mode():
            plain = self._eager.prepare(module, self._image, self._device, threads)
            run = self._backend.prepare(module, self._image, self._device, threads) if self._config.backend != "eager" else plain
            with measuring(self._config.device):
                load = self._instruments.load(self._device)
                began = time.monotonic()
                load.wait(self._patience)
                self._patience = max(0.0, self._patience - (time.monotonic() - began))
                start = load.mark()
                calls: list[float] = []
                if layers:
                    once = timed_runs(plain, self._device, warmup=2, runs=1, now=now)[0]
                    repeats = _repeats(once, LAYER_SECONDS, LAYER_RUNS)
                    calls = [median(one) for one in zip(*(timed_calls(plain, self._device, now) for _ in range(repeats)), strict=True)]
                found = None
                if whole:
                    once = timed_runs(run, self._device, warmup=2, runs=1, now=now)[0]
                    repeats = _repeats(once, WHOLE_SECONDS, WHOLE_RUNS)
                    found = median(timed_runs(run, self._device, warmup=repeats // 4, runs=repeats, now=now))
                busy = load.since(start)
        return Measured(calls, found, busy)


def _repeats(once_ms: float, seconds: float, between: tuple[int, int]) -> int:
    return min(between[1], max(between[0], round(1e3 * seconds / max(once_ms, 1e-3))))
