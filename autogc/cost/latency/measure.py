"""Latency measured end to end on the device that the user names: batch 1, warm-up runs, then the median and spread of the timed runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autogc.config.experiment import LatencyConfig
from autogc.cost.latency.backends import BACKENDS, Backend, backend_of
from autogc.cost.latency.devices import QUIET, Load, device_name, latency_device
from autogc.device_lock import measuring
from autogc.inference import threads_set


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one image; lower is better. ``spread_ms`` is the distance between the quartiles.

    ``backend`` is what ran the generator, ``versions`` its packages'. ``busy`` is the share, in [0, 1], of the machine that others used
    meanwhile, None where the system does not tell; ``alone`` whether no other autogc process was at work on the device.
    """

    median_ms: float
    spread_ms: float
    mean_ms: float
    device: str
    threads: int
    runs: int
    warmup: int
    backend: str = "eager"
    versions: Mapping[str, str] = field(default_factory=dict)
    busy: float | None = None
    alone: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the measurement and how it was taken as JSON-ready data."""
        return {**asdict(self), "versions": dict(self.versions)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Latency:
        """Read what ``to_json`` gave."""
        return cls(**data)

    @property
    def disturbed(self) -> bool:
        """Whether other work ran beside the measurement, so that the number is likely too high."""
        return not self.alone or (self.busy is not None and self.busy > QUIET)

    @property
    def beside(self) -> float | None:
        """The share of the machine that others used, in [0, 1], where the measurement was disturbed; None where it was not."""
        if not self.disturbed:
            return None
        return 1.0 if self.busy is None else self.busy


@dataclass(frozen=True)
class Instruments:
    """What a measurement is taken with: a clock in nanoseconds, and a device's load. Another set makes tests exact."""

    now: Callable[[], int] = time.perf_counter_ns
    load: Callable[[torch.device], Load] = Load


def measure_latency(module: nn.Module, example: Tensor, config: LatencyConfig, *, instruments: Instruments | None = None) -> Latency:
    """Time forward passes of ``module`` on the first image of ``example`` (N, C, H, W), float32.

    GAN Compression (Li et al., CVPR 2020) gives the mean of 100 runs after 100 warm-up runs; the median and the distance
    between the quartiles stand beside it, because a busy machine moves the mean. A copy is timed: ``module`` stays where it is.
    No other autogc process of this user works on the device meanwhile. For the work of others to end ``config.patience_s`` seconds are
    waited; then it is measured all the same, and ``busy`` says so. Raises ConfigError where the device or the backend is not there, or
    where the backend makes another image than the module.
    """
    instruments = instruments or Instruments()
    device = latency_device(config.device)
    backend = backend_of(config.backend, device)
    with threads_set(config.threads) as threads, torch.inference_mode():
        # Compiling and exporting take long and use every core: not what anybody else has to wait for.
        run = backend.prepare(module, example[:1], device, threads)
        with measuring(config.device) as alone:
            load = instruments.load(device)
            before = load.wait(config.patience_s)
            start = load.mark()
            milliseconds = timed_runs(run, device, warmup=config.warmup, runs=config.runs, now=instruments.now)
            during = load.since(start)
    busy = before if during is None else during
    return summary(milliseconds, device=device, threads=threads, config=config, backend=backend, busy=busy, alone=alone)


def summary(
    milliseconds: list[float],
    *,
    device: torch.device,
    threads: int,
    config: LatencyConfig,
    backend: Backend,
    busy: float | None = None,
    alone: bool = True,
) -> Latency:
    """Return the measurement that timed runs make."""
    lower, median, upper = (float(value) for value in np.percentile(milliseconds, (25, 50, 75)))
    return Latency(
        median_ms=median,
        spread_ms=upper - lower,
        mean_ms=float(np.mean(milliseconds)),
        device=device_name(device),
        threads=threads,
        runs=config.runs,
        warmup=config.warmup,
        backend=config.backend,
        versions=backend.versions,
        busy=busy,
        alone=alone,
    )


def timed_runs(
    run: Callable[[], Any], device: torch.device, *, warmup: int, runs: int, now: Callable[[], int] = time.perf_counter_ns
) -> list[float]:
    """Return the milliseconds of each of ``runs`` calls after ``warmup`` others; each is timed to the end of its work on the device."""
    for _ in range(warmup):
        run()
    milliseconds = []
    for _ in range(runs):
        finish(device)
        start = now()
        run()
        finish(device)
        milliseconds.append((now() - start) / 1e6)
    return milliseconds


def protocol_of(config: LatencyConfig) -> str:
    """Return how latencies are taken, in words for below a table."""
    threads = f", {config.threads} threads" if config.threads else ""
    taken_by = f"batch 1 on {config.device}{threads}, {BACKENDS[config.backend].title}"
    return f"{taken_by}, median of {config.runs} runs after {config.warmup}, ± the distance between quartiles"


def finish(device: torch.device) -> None:
    """Wait for the work that was handed to a GPU, so that the clock sees it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
