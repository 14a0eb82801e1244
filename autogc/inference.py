"""How forward passes use the machine: memory that is not given back between them, the layout that suits a network, lower precision."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

Precision = Literal["float32", "bfloat16"]

# glibc's parameters for mallopt, and the values that its own adaptation comes to once large blocks were freed.
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
ADAPTED = {MMAP_MAX: 65536, MMAP_THRESHOLD: 32 << 20, TRIM_THRESHOLD: 64 << 20}
KEEPING = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1}

# Layers whose kernels copy channels-last maps into the other layout first, which costs more than convolutions gain.
PREFERS_CONTIGUOUS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.GroupNorm)


@contextmanager
def keeping_memory() -> Iterator[None]:
    """Let the C library keep the memory of freed tensors for the next ones while the block runs.

    Otherwise every map of more than 32 MiB comes as fresh pages from the kernel, which clears them, in every forward pass. Nothing happens
    where the C library is not glibc. May be nested.
    """
    mallopt = _mallopt()
    if mallopt is None or _depth[0]:
        yield
        return
    _depth[0] += 1
    try:
        for parameter, value in KEEPING.items():
            mallopt(parameter, value)
        yield
    finally:
        _depth[0] -= 1
        for parameter, value in ADAPTED.items():
            mallopt(parameter, value)


_depth = [0]


@functools.cache
def _mallopt() -> Callable[[int, int], int] | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    # musl has a malloc of its own and no mallopt.
    return library.mallopt if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None


def suited_format(module: nn.Module) -> torch.memory_format:
    """Return the layout in which convolutional ``module`` is quicker: channels-last, but for networks of instance or group norms."""
    contiguous = any(isinstance(part, PREFERS_CONTIGUOUS) for part in module.modules())
    return torch.contiguous_format if contiguous else torch.channels_last


def suited(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return ``module`` in the layout that suits it, as a function of pictures (N, C, H, W) in any layout."""
    layout = suited_format(module)
    module = module.to(memory_format=layout)  # type: ignore[call-overload]  # as its documentation has it

    def run(pictures: Tensor) -> Tensor:
        made: Tensor = module(pictures.contiguous(memory_format=layout))
        return made

    return run


def in_precision(precision: Precision, device: torch.device) -> Any:
    """Return a context in which convolutions and matrix products are taken in ``precision``; weights stay as they are."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, dtype=torch.bfloat16)


@contextmanager
def full_float32() -> Iterator[None]:
    """Compute float32 products on a GPU with all of their 24 bits while the block runs, so that they are a CPU's but for rounding.

    PyTorch lets cuDNN take convolutions in TF32, which keeps 11 of them. Autocast to bfloat16 goes on inside of it.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    try:
        cudnn.allow_tf32 = matmul.allow_tf32 = False
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32 = before


def quick_in_bfloat16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 faster than float32, by what it says of itself."""
    if device.type == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@contextmanager
def threads_set(count: int | None) -> Iterator[int]:
    """Run with ``count`` threads inside an operator (those there are, when None); restore the number afterwards."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
