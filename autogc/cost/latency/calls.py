"""The operator calls of one forward pass: who makes them, with which arguments, and how long each takes where it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from autogc.cost.latency.measure import finish

# What calls are summed by: backends other than PyTorch as it is speed up some of these more than others.
KINDS = ("convolution", "depthwise", "matmul", "norm", "other")
HOLE = re.compile("#")
TENSOR = re.compile(r"\(([#,]*)\)")


@dataclass(frozen=True)
class Call:
    """One call of an ATen operator.

    ``owner`` is the module that makes it (a layer, for all that happens inside of one). ``template`` says the operator and its arguments
    with ``#`` for every integer; ``numbers`` are those: ``aten.relu.default(float32(#,#,#,#))`` and ``(1, 64, 32, 32)``.
    """

    owner: str
    template: str
    numbers: tuple[int, ...]
    kind: str


def key_of(template: str, numbers: Sequence[int]) -> str:
    """Return the call as text, by which measured times are kept."""
    left = iter(numbers)
    return HOLE.sub(lambda hole: str(next(left)), template)


def work_of(template: str, numbers: Sequence[int], kind: str) -> float:
    """Return a number that a call's time grows with: multiplications of a convolution at its input's positions, else elements."""
    left, sizes = iter(numbers), []
    # Every hole in its order, those of tensors (in round brackets) in groups.
    for found in re.finditer(r"\(([#,]*)\)|#", template):
        held = [next(left) for _ in range(found.group().count("#"))]
        if found.group().startswith("("):
            sizes.append(held)
    counts = [float(torch.Size(size).numel()) for size in sizes]
    if kind in ("convolution", "depthwise", "matmul") and len(counts) > 1 and len(sizes[0]) > 1:
        return max(1.0, counts[0] / max(1, sizes[0][1]) * counts[1])
    return max(1.0, sum(counts))


def recorded(module: nn.Module, shape: Sequence[int], owners: Sequence[str]) -> tuple[Call, ...]:
    """Return the calls of one forward pass of an input of ``shape``, in order, worked out on shapes alone.

    A call belongs to the layer of ``owners`` that it is made in, else to the innermost module.
    """
    recorder = _Recorder()
    with _followed(module, owners, recorder), FakeTensorMode(allow_non_fake_inputs=True), torch.inference_mode():
        # Where the module is: the export moves a run's supernet to the GPU.
        image = torch.empty(*shape, device=next((held.device for held in [*module.parameters(), *module.buffers()]), None))
        with recorder:
            module.eval()(image)
    return tuple(recorder.calls)


def timed_calls(run: Callable[[], Any], device: torch.device, now: Callable[[], int]) -> list[float]:
    """Return the milliseconds of each operator call of one forward pass, in order, where it is: among the others, its inputs just made."""
    stopwatch = _Stopwatch(device, now)
    with stopwatch:
        run()
    return stopwatch.milliseconds


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.inside: list[str] = [""]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        numbers: list[int] = []
        described = [_described(value, numbers) for value in args]
        described += [f"{name}={_described(value, numbers)}" for name, value in sorted((kwargs or {}).items())]
        template = f"{func}{'|'.join(['', *described])}"
        self.calls.append(Call(self.inside[-1], template, tuple(numbers), _kind(str(func), args)))
        return func(*args, **(kwargs or {}))


class _Stopwatch(TorchDispatchMode):
    def __init__(self, device: torch.device, now: Callable[[], int]) -> None:
        super().__init__()
        self.milliseconds: list[float] = []
        self._device, self._now = device, now

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        start = self._now()
        made = func(*args, **(kwargs or {}))
        finish(self._device)
        self.milliseconds.append((self._now() - start) / 1e6)
        return made


def _described(value: Any, numbers: list[int]) -> str:
    if isinstance(value, Tensor):
        numbers.extend(int(size) for size in value.shape)
        return f"{str(value.dtype).removeprefix('torch.')}({','.join('#' * value.ndim)})"
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        numbers.append(value)
        return "#"
    if isinstance(value, float):
        return "float"  # no time depends on it
    if isinstance(value, list | tuple):
        return f"[{','.join(_described(one, numbers) for one in value)}]"
    return str(value) if isinstance(value, torch.dtype | str) else type(value).__name__


def _kind(name: str, args: Sequence[Any]) -> str:
    if "conv" in name:
        weight = args[1] if len(args) > 1 else None
        return "depthwise" if isinstance(weight, Tensor) and weight.ndim > 2 and weight.shape[1] == 1 < weight.shape[0] else "convolution"
    if any(word in name for word in ("linear", ".mm", "bmm", "matmul", "addmm", "attention")):
        return "matmul"
    return "norm" if "norm" in name else "other"


@contextmanager
def _followed(module: nn.Module, owners: Sequence[str], recorder: _Recorder) -> Iterator[None]:
    """Tell the recorder which module is running."""
    known, handles = set(owners), []
    try:
        for name, part in module.named_modules():
            parents = [name[: dot.start()] for dot in re.finditer(r"\.|$", name)]
            owner = next((parent for parent in parents if parent in known), name)
            handles.append(part.register_forward_pre_hook(_enter(recorder, owner)))
            handles.append(part.register_forward_hook(_leave(recorder)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _enter(recorder: _Recorder, owner: str) -> Callable[..., None]:
    def hook(part: nn.Module, inputs: Any) -> None:
        recorder.inside.append(owner)

    return hook


def _leave(recorder: _Recorder) -> Callable[..., None]:
    def hook(part: nn.Module, inputs: Any, output: Any) -> None:
        recorder.inside.pop()

    return hook
