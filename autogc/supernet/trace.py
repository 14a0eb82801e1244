"""One forward pass as a graph of ATen operators, with the modules that issued them."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import get_proxy_mode, make_fx
from torch.utils import _pytree as pytree

from autogc.errors import ConversionError, nearest
from autogc.supernet.functional import call

LAYER = "autogc_layer"
"""Key of a node's ``meta``: the qualified name of the innermost module that issued the operator."""


@dataclass(frozen=True)
class Trace:
    """A traced module. The graph's placeholders are ``names`` (parameters and buffers), then the inputs; it returns
    ``outputs`` outputs of the module and then one output for each watched module."""

    graph: fx.GraphModule
    names: tuple[str, ...]
    values: dict[str, Tensor]
    outputs: int
    watched: tuple[str, ...]


def single(example: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the example inputs with a batch of one."""
    return tuple(value[:1] if value.ndim > 0 else value for value in example)


def state(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers by name, shared ones once."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def trace(module: nn.Module, example: Sequence[Tensor], *, watch: Sequence[str] = ()) -> Trace:
    """Trace a deep copy of ``module`` in evaluation mode, without gradients, at batch 1.

    A watched module that is called several times gives its last output. Raises ConversionError when ``watch`` names no
    module, or a module whose output is not a tensor, or when the forward pass can't be traced.
    """
    module = copy.deepcopy(module).eval()
    modules = dict(module.named_modules())
    for name in watch:
        if name not in modules:
            raise ConversionError(f"no module named {name!r} to watch: {nearest(name, modules)}")
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

    def forward(tensors: list[Tensor], *inputs: Tensor) -> list[Tensor]:
        nonlocal counted
        result = call(module, dict(zip(names, tensors, strict=True)), inputs)
        outputs = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
        counted = len(outputs)
        for name in watch:
            if not isinstance(seen.get(name), Tensor):
                raise ConversionError(f"the watched module {name!r} gives no single tensor in the forward pass")
        return outputs + [seen[name] for name in watch]

    graph = _make(forward, list(values.values()), single(example))
    return Trace(graph, names, {name: value.detach() for name, value in values.items()}, counted, tuple(watch))


def _make(forward: Callable[..., Any], tensors: list[Tensor], example: tuple[Tensor, ...]) -> fx.GraphModule:
    """Trace on fake tensors without in-place operators if the module allows it, otherwise on real ones."""
    functional = functionalize(forward, remove="mutations")
    attempts: list[tuple[Literal["fake", "real"], Callable[..., Any]]] = [("fake", functional), ("fake", forward), ("real", forward)]
    failure: Exception | None = None
    for mode, function in attempts:
        try:
            with torch.no_grad(), _quiet():
                return make_fx(function, tracing_mode=mode, _allow_non_fake_inputs=True)(tensors, *example)
        except ConversionError:
            raise
        except Exception as error:  # a user's forward may raise anything; the last attempt's error is reported
            failure = error
    raise ConversionError(
        f"the forward pass can't be traced on an example of shapes {[tuple(e.shape) for e in example]}: {failure}"
    ) from failure


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


def _capture(seen: dict[str, Any], name: str) -> Callable[..., None]:
    def hook(part: nn.Module, inputs: Any, output: Any) -> None:
        seen[name] = output

    return hook
