"""Peak activation memory as PyTorch's allocator sees it: the referee for the closed form."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

OPERATOR = "autogc::operator"
MEMORY = "[memory]"


@dataclass(frozen=True)
class MeasuredPeak:
    """Bytes in one forward pass, weights aside: ``held_bytes`` the most after any operator, which is what its tensors take, and
    ``with_workspaces_bytes`` the most at any time, with what kernels allocate for themselves and give back before they return."""

    held_bytes: int
    with_workspaces_bytes: int


def measure_peak(module: nn.Module, example: Tensor) -> MeasuredPeak:
    """Measure a module in evaluation mode, in inference mode, on the first image of ``example`` (N, C, H, W), on its device.

    On a CPU PyTorch's profiler tells of every allocation; on CUDA the caching allocator is asked, which rounds each up to 512 bytes. The
    first pass is not counted: libraries set themselves up in it.
    """
    image = example[:1]
    with torch.inference_mode():
        module(image)
        return _on_cuda(module, image) if image.device.type == "cuda" else _on_cpu(module, image)


class _AfterEach(TorchDispatchMode):
    """Calls ``around`` with every operator below composite ones, in place of running it."""

    def __init__(self, around: Callable[[Callable[[], Any]], Any]) -> None:
        super().__init__()
        self._around = around

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._around(lambda: func(*args, **(kwargs or {})))


def _on_cpu(module: nn.Module, image: Tensor) -> MeasuredPeak:
    def around(run: Callable[[], Any]) -> Any:
        with torch.profiler.record_function(OPERATOR):
            return run()

    with _stderr_aside(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        with _AfterEach(around):
            given = image.clone()
            made = module(given)
        del given, made
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    # (when, how many bytes more, whether an operator ends): in the order in which it happened.
    seen = [(float(one["ts"]), int(one["args"]["Bytes"]), False) for one in events if one.get("name") == MEMORY]
    seen += [(float(one["ts"]) + float(one["dur"]), 0, True) for one in events if one.get("name") == OPERATOR and "dur" in one]
    now = held = whole = 0
    for _, more, ends in sorted(seen):
        now += more
        whole = max(whole, now)
        held = max(held, now) if ends else held
    return MeasuredPeak(held, whole)


def _on_cuda(module: nn.Module, image: Tensor) -> MeasuredPeak:
    device = image.device
    held = 0

    def around(run: Callable[[], Any]) -> Any:
        nonlocal held
        made = run()
        held = max(held, torch.cuda.memory_allocated(device))
        return made

    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    with _AfterEach(around):
        module(image.clone())
    return MeasuredPeak(held - before, torch.cuda.max_memory_allocated(device) - before)


@contextmanager
def _stderr_aside() -> Iterator[None]:
    """Drop what is written to the process's standard error: the profiler's library says there when it starts and stops."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
