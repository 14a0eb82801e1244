"""One forward pass as a graph of ATen operators, with the modules that issued them."""

from __future__ import annotations

import copy
import logging
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import get_proxy_mode, make_fx
from torch.utils import _pytree as pytree

from autogc.errors import ConversionError, nearest
from autogc.supernet.functional import call
from autogc.supernet.groups import Unit

STDLIB = Path(sysconfig.get_paths()["stdlib"])
LAYER = "autogc_layer"
"""Key of a node's ``meta``: the qualified name of the innermost module that issued the operator."""


@dataclass(frozen=True)
class Trace:
    """A traced module. The graph's placeholders are ``names`` (parameters and buffers), then the inputs; it returns
    ``outputs`` outputs of the module, then one output for each watched module, then what goes into and comes out of each of the ``tied``
    units."""

    graph: fx.GraphModule
    names: tuple[str, ...]
    values: dict[str, Tensor]
    outputs: int
    watched: tuple[str, ...]
    tied: int = 0


def single(example: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the example inputs with a batch of one."""
    return tuple(value[:1] if value.ndim > 0 else value for value in example)


def state(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers by name, shared ones once."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def trace(module: nn.Module, example: Sequence[Tensor], *, watch: Sequence[str] = (), tie: Sequence[Unit] = ()) -> Trace:
    """Trace a deep copy of ``module`` in evaluation mode, without gradients, at batch 1.

    A watched module that is called several times gives its last output. Raises ConversionError when ``watch`` names no
    module, or a module whose output is not a tensor, or when the forward pass can't be traced, saying where.
    """
    module = copy.deepcopy(module).eval()
    modules = dict(module.named_modules())
    for name in watch:
        if name not in modules:
            raise ConversionError(f"no module named {name!r} to watch: {nearest(name, modules)}")
    scripted = [name for name, part in modules.items() if isinstance(part, torch.jit.ScriptModule)]
    if scripted:
        raise ConversionError(
            f"{scripted[0] or 'the generator'!r} is compiled by TorchScript, which hides its weights: give the module it was"
        )
    values = state(module)
    names = tuple(values)
    seen: dict[str, Any] = {}
    counted = 0
    inside: list[str] = []  # the modules that are running, the innermost last
    for name, part in modules.items():
        part.register_forward_pre_hook(_enter(inside, name))
        part.register_forward_hook(_leave(inside))
    for name in watch:
        modules[name].register_forward_hook(_capture(seen, name))
    ends: dict[tuple[str, str], Tensor] = {}
    for unit in tie:
        modules[unit.modules[0]].register_forward_pre_hook(_capture_input(ends, (unit.name, "in")))
        modules[unit.modules[-1]].register_forward_hook(_capture(ends, (unit.name, "out")))

    def forward(tensors: list[Tensor], *inputs: Tensor) -> list[Tensor]:
        nonlocal counted
        inside.clear()  # an attempt that failed left its own
        result = call(module, dict(zip(names, tensors, strict=True)), inputs)
        outputs = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
        counted = len(outputs)
        for name in watch:
            if not isinstance(seen.get(name), Tensor):
                raise ConversionError(f"the watched module {name!r} gives no single tensor in the forward pass")
        tied = [ends[unit.name, end] for unit in tie for end in ("in", "out")]
        return outputs + [seen[name] for name in watch] + tied

    graph = _make(forward, list(values.values()), single(example))
    return Trace(graph, names, {name: value.detach() for name, value in values.items()}, counted, tuple(watch), len(tie))


def _make(forward: Callable[..., Any], tensors: list[Tensor], example: tuple[Tensor, ...]) -> fx.GraphModule:
    """Trace on fake tensors without in-place operators if the module allows it, otherwise on real ones."""
    functional = functionalize(forward, remove="mutations")
    attempts: list[tuple[Literal["fake", "real"], Callable[..., Any]]] = [("fake", functional), ("fake", forward), ("real", forward)]
    failure: Exception | None = None
    for mode, function in attempts:
        try:
            with torch.no_grad(), _quiet():
                graph = make_fx(function, tracing_mode=mode, _allow_non_fake_inputs=True)(tensors, *example)
            if _constants(graph):
                _check_constants(forward, tensors, example)
            return graph
        except ConversionError:
            raise
        except Exception as error:  # a user's forward may raise anything; the last attempt's error is reported
            failure = error
    assert failure is not None
    shapes = [tuple(value.shape) for value in example]
    raise ConversionError(f"the generator's forward pass can't be traced on an input of shape {shapes}: {_why(failure)}") from failure


def _constants(graph: fx.GraphModule) -> list[Tensor]:
    """Return the tensors of real numbers that a trace holds though they are neither parameters nor buffers."""
    held = [getattr(graph, str(node.target)) for node in graph.graph.nodes if node.op == "get_attr"]
    return [value for value in held if isinstance(value, Tensor) and value.is_floating_point()]


@torch.no_grad()
def _check_constants(forward: Callable[..., Any], tensors: list[Tensor], example: tuple[Tensor, ...]) -> None:
    """Trace on two inputs; raise ConversionError where what a trace holds as a constant is another one for the other."""
    others = tuple(value + 1 if value.is_floating_point() else value for value in example)
    traces = [make_fx(forward, tracing_mode="real", _allow_non_fake_inputs=True)(tensors, *inputs) for inputs in (example, others)]
    found, other = (_constants(one) for one in traces)
    if len(found) != len(other) or any(a.shape != b.shape or not torch.equal(a, b) for a, b in zip(found, other, strict=True)):
        raise ConversionError(
            "the generator's forward pass can't be traced: it computes something from its input outside of PyTorch (NumPy, PIL, .tolist()) "
            "and goes on with it; do it with tensor operations"
        )


def _why(error: Exception) -> str:
    """Return what stopped a trace, and where in the generator's own code."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_library(frame.filename)]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
    if "value out of a tracing tensor" in str(error) or "data-dependent" in str(error).lower():
        return f"what it does depends on the values of a tensor (an if, a loop or .item()); it must do the same for every input{where}"
    return f"{type(error).__name__}: {error}{where}"


def _is_library(file: str) -> bool:
    path = Path(file)
    return "site-packages" in path.parts or Path(__file__).parents[1] in path.parents or file.startswith("<") or path.is_relative_to(STDLIB)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from logging the stack of an error that is reported here."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _enter(inside: list[str], name: str) -> Callable[..., None]:
    def hook(part: nn.Module, inputs: Any) -> None:
        _label(inside[-1] if inside else "")  # what came before the call is its caller's
        inside.append(name)

    return hook


def _leave(inside: list[str]) -> Callable[..., None]:
    def hook(part: nn.Module, inputs: Any, output: Any) -> None:
        _label(inside.pop())

    return hook


def _label(name: str) -> None:
    mode = get_proxy_mode()
    if mode is None:
        return
    for node in reversed(mode.tracer.graph.nodes):
        if node.op == "placeholder" or LAYER in node.meta:
            return
        node.meta[LAYER] = name


def _capture(seen: dict[Any, Any], name: Any) -> Callable[..., None]:
    def hook(part: nn.Module, inputs: Any, output: Any) -> None:
        seen[name] = output

    return hook


def _capture_input(seen: dict[Any, Any], name: Any) -> Callable[..., None]:
    def hook(part: nn.Module, inputs: Any) -> None:
        seen[name] = inputs[0]

    return hook
