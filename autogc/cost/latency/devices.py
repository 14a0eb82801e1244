"""The device that latency is measured on: whether it is there, what it is called, how busy others keep it."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from autogc.errors import ConfigError

STAT = Path("/proc/stat")
# Long enough for the kernel's ticks (10 ms) to tell a busy machine from a quiet one.
SAMPLE_SECONDS = 0.2
# Up to this share of the machine's cores may be busy with others' work before a measurement waits, or says so.
QUIET = 0.1


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


@dataclass(frozen=True)
class Ticks:
    """Processor time in seconds since the machine started: of all cores, of all work, of this process."""

    total: float
    busy: float
    own: float

    @classmethod
    def now(cls) -> Ticks | None:
        """Return the counts, or None where the system does not tell."""
        if not STAT.is_file():
            return None
        ticks = [int(word) for word in STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
        second = os.sysconf("SC_CLK_TCK")
        own = os.times()
        # Idle, and waiting for a disk, is not busy.
        return cls(sum(ticks) / second, (sum(ticks) - ticks[3] - ticks[4]) / second, own.user + own.system)


class Load:
    """How busy others keep a device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def mark(self) -> Ticks | None:
        """Return a moment to count from."""
        return Ticks.now()

    def since(self, start: Ticks | None) -> float | None:
        """Return the share, in [0, 1], of all cores that other processes used since ``start``; None where the system does not tell."""
        end = Ticks.now()
        if start is None or end is None or end.total - start.total < SAMPLE_SECONDS / 4:
            return None
        others = (end.busy - start.busy) - (end.own - start.own)
        return min(1.0, max(0.0, others / (end.total - start.total)))

    def before(self) -> float | None:
        """Watch for a moment, doing nothing, and return the share of the device that is in use."""
        start = self.mark()
        time.sleep(SAMPLE_SECONDS)
        shares = [self.since(start), self._gpu()]
        return max((share for share in shares if share is not None), default=None)

    def wait(self, seconds: float) -> float | None:
        """Wait for the device to be quiet, ``seconds`` at most; return the share that was in use last."""
        deadline = time.monotonic() + seconds
        while (share := self.before()) is not None and share > QUIET and time.monotonic() < deadline:
            time.sleep(SAMPLE_SECONDS)
        return share

    def _gpu(self) -> float | None:
        if self._device.type != "cuda":
            return None
        try:
            import pynvml  # what torch asks, too
        except ImportError:
            return None
        try:
            return torch.cuda.utilization(self._device) / 100
        except (RuntimeError, pynvml.NVMLError):  # no driver; or a part of a GPU, or a virtual one, whose use it does not tell
            return None
