"""Modules as plain data: a type's name and its constructor's arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from autogc.errors import CheckpointError, nearest
from autogc.supernet.operators import QuantizedInput, SeparableConv2d
from autogc.supernet.units import FirstInput

# Their constructors' arguments are attributes of the same name; ``bias`` says whether there is one.
PLAIN_TYPES: dict[str, type[nn.Module]] = {
    kind.__name__: kind
    for kind in (
        nn.Conv1d,
        nn.Conv2d,
        nn.Conv3d,
        nn.ConvTranspose1d,
        nn.ConvTranspose2d,
        nn.ConvTranspose3d,
        nn.Linear,
        nn.BatchNorm1d,
        nn.BatchNorm2d,
        nn.BatchNorm3d,
        nn.InstanceNorm1d,
        nn.InstanceNorm2d,
        nn.InstanceNorm3d,
        nn.GroupNorm,
        nn.LayerNorm,
    )
}
# What the supernet puts in the place of a builder's modules.
OPERATORS: dict[str, type[nn.Module]] = {"SeparableConv2d": SeparableConv2d, "QuantizedInput": QuantizedInput}
# What it puts in the place of what is left out.
NOTHING: dict[str, type[nn.Module]] = {"Identity": nn.Identity, "FirstInput": FirstInput}

Spec = dict[str, Any]


def spec_of(module: nn.Module) -> Spec | None:
    """Return ``{"type": ..., "args": ...}`` as JSON-ready data; None for a type that this file does not know."""
    kind = type(module)
    if isinstance(module, QuantizedInput):
        inner = spec_of(module.layer)
        return inner and {"type": "QuantizedInput", "args": {"layer": inner, "bits": module.bits}}
    if isinstance(module, SeparableConv2d):
        convolution = _arguments(module.depthwise)
        args = {name: convolution[name] for name in ("in_channels", "kernel_size", "stride", "padding", "dilation", "padding_mode", "bias")}
        return {"type": "SeparableConv2d", "args": {**args, "out_channels": module.pointwise.out_channels}}
    if NOTHING.get(kind.__name__) is kind:
        return {"type": kind.__name__, "args": {}}
    if PLAIN_TYPES.get(kind.__name__) is kind:
        return {"type": kind.__name__, "args": _arguments(module)}
    return None


def build_leaf(spec: Any, *, built: nn.Module | None = None) -> nn.Module:
    """Build the module that a spec describes, with fresh tensors. ``built`` is what the builder made in its place, which a
    ``QuantizedInput`` of no layer of its own is put around. Raises CheckpointError for a type that is not known."""
    known = {**PLAIN_TYPES, **OPERATORS, **NOTHING}
    if not isinstance(spec, Mapping) or not isinstance(spec.get("args"), Mapping):
        raise CheckpointError(f"architecture.json: a module is {spec!r}, not a type with args")
    name = str(spec.get("type"))
    if name not in known:
        raise CheckpointError(f"architecture.json: no module type {name!r} is known here: {nearest(name, known)}")
    args = {key: tuple(value) if isinstance(value, list) else value for key, value in spec["args"].items()}
    if name == "QuantizedInput":
        args["layer"] = built if args.get("layer") is None and built is not None else build_leaf(args.get("layer"))
    try:
        inspect.signature(known[name]).bind(**args)
    except TypeError as error:
        raise CheckpointError(f"architecture.json: {name} can't be built from {args}: {error}") from None
    return known[name](**args)


def _arguments(module: nn.Module) -> dict[str, Any]:
    """Return a plain type's constructor arguments, read from its attributes."""
    names = [name for name in inspect.signature(type(module)).parameters if name not in ("device", "dtype")]
    values = {name: getattr(module, name) for name in names if name != "bias"}
    if "bias" in names:
        values["bias"] = module.bias is not None
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
