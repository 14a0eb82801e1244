"""Latency measured on the device that the user names: batch 1, warm-up runs, then the median and spread of the timed runs."""

from __future__ import annotations

import copy
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autogc.config.experiment import LatencyConfig
from autogc.errors import ConfigError


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one image; lower is better. ``spread_ms`` is the distance between the quartiles."""

    median_ms: float
    spread_ms: float
    mean_ms: float
    device: str
    threads: int
    runs: int
    warmup: int

    def to_json(self) -> dict[str, Any]:
        """Return the measurement and how it was taken as JSON-ready data."""
        return asdict(self)


def measure_latency(module: nn.Module, example: Tensor, config: LatencyConfig) -> Latency:
    """Time forward passes of ``module`` on the first image of ``example`` (N, C, H, W), float32.

    GAN Compression (Li et al., CVPR 2020) gives the mean of 100 runs after 100 warm-up runs; the median and the distance
    between the quartiles stand beside it, because a busy machine moves the mean. A copy is timed: ``module`` stays where it is.
    Raises ConfigError where the device is not there.
    """
    device = latency_device(config.device)
    timed = copy.deepcopy(module).to(device).eval()
    image = example[:1].to(device)
    with _threads(config.threads) as threads, torch.inference_mode():
        for _ in range(config.warmup):
            timed(image)
        milliseconds = []
        for _ in range(config.runs):
            _finish(device)
            start = time.perf_counter_ns()
            timed(image)
            _finish(device)
            milliseconds.append((time.perf_counter_ns() - start) / 1e6)
    lower, median, upper = (float(value) for value in np.percentile(milliseconds, (25, 50, 75)))
    return Latency(
        median_ms=median,
        spread_ms=upper - lower,
        mean_ms=float(np.mean(milliseconds)),
        device=device_name(device),
        threads=threads,
        runs=config.runs,
        warmup=config.warmup,
    )


def latency_device(name: str) -> torch.device:
    """Return the device of that name. Raises ConfigError when there is none such on this machine."""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"latency device {name!r} is not a device: use 'cpu' or 'cuda' (or 'cuda:1', ...)", source="latency") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"latency can't be measured on {name!r}: use 'cpu' or 'cuda'", source="latency")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        there = (
            f"there are {torch.cuda.device_count()} CUDA devices here" if torch.cuda.is_available() else "this machine has no CUDA device"
        )
        raise ConfigError(f"latency device {name!r}: {there}; use 'cpu' or run where it is", source="latency")
    return device


def device_name(device: torch.device) -> str:
    """Return the maker's name for the device, such as "NVIDIA H200" or the processor's model."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model") and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def _finish(device: torch.device) -> None:
    """Wait for the work that was handed to a GPU, so that the clock sees it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def _threads(count: int | None) -> Iterator[int]:
    """Run with ``count`` threads inside an operator (those there are, when None); restore the number afterwards."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
