"""The costs of a real module, counted without the cost model's formulas: fvcore's MACs layer by layer, and the tensors that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from autogc.compression import packed_bytes
from autogc.cost.formula import FULL_BITS
from autogc.cost.fvcore_reference import MULTIPLYING, NORMALIZING, fvcore_by_module
from autogc.supernet.candidate import Value
from autogc.supernet.operators import QuantizedInput, SeparableConv2d

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class LayerCount:
    """What one module does and holds itself, without its parts, for one image.

    ``output_shape`` is that of its last call, batch of one included, None where it gives no single tensor. ``stored_bytes`` are its bytes
    in ``packed.safetensors``. A tensor that several modules share is counted at the first.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    macs: int
    macs_published: int
    bops: int
    params: int
    stored_bytes: int
    weight_bits: int
    activation_bits: int


@dataclass(frozen=True)
class Recount:
    """A module's costs as counted on it, the sums of its ``layers``, and what fvcore counts for each operator.

    ``norm_macs`` is what fvcore counts for normalisation layers, which is no part of ``macs``.
    """

    layers: tuple[LayerCount, ...]
    by_operator: Mapping[str, int] = field(repr=False)

    @property
    def norm_macs(self) -> int:
        """Return fvcore's count for normalisation layers."""
        return sum(self.by_operator.get(name, 0) for name in NORMALIZING)

    def total(self, cost: str) -> int:
        """Return the sum over all layers of ``macs``, ``macs_published``, ``bops`` or ``params``."""
        return sum(getattr(layer, cost) for layer in self.layers)


def recount(module: nn.Module, example: Tensor, values: Mapping[str, Mapping[str, Value]]) -> Recount:
    """Count an extracted module (or an exported package's) in one forward pass of ``example`` (1, C, H, W).

    ``values`` are the compression values of its weights by tensor name (``Package.values``). BOPs are fvcore's MACs of each module x the
    bits of its weight x the bits of what it reads: 32 where nothing says fewer.
    """
    counted = fvcore_by_module(module, example)
    shapes = _shapes(module, example)
    names = {id(tensor): name for name, tensor in [*module.named_parameters(), *module.named_buffers()]}
    parts = dict(module.named_modules(remove_duplicate=False))
    reads = _bits_read(module)
    by_operator: dict[str, int] = {}
    layers = []
    for name, part in module.named_modules():
        aliases = [alias for alias, other in parts.items() if other is part]
        operators = next((counted[alias] for alias in aliases if alias in counted), {})
        for operator, count in operators.items():
            by_operator[operator] = by_operator.get(operator, 0) + count
        macs = sum(operators.get(operator, 0) for operator in MULTIPLYING)
        own = {kept: tensor for kept, tensor in [*part._parameters.items(), *part._buffers.items()] if tensor is not None}
        weight = own.get("weight")
        weight_bits = int(values.get(names.get(id(weight), ""), {}).get("weight_bits", FULL_BITS))
        first = {key: tensor for key, tensor in own.items() if names.get(id(tensor)) == (f"{name}.{key}" if name else key)}
        params = sum(tensor.numel() for tensor in first.values() if isinstance(tensor, nn.Parameter))
        stored = sum(_stored(tensor, values.get(names[id(tensor)], {})) for tensor in first.values())
        if not (macs or params or stored):
            continue
        positions = shapes.get(id(part))
        published = macs
        if isinstance(part, TRANSPOSED) and positions is not None:
            published = macs * prod(positions[1][2:]) // prod(positions[0][2:])
        activation_bits = reads.get(id(part), FULL_BITS)
        layers.append(
            LayerCount(
                name=name or "(the module itself)",
                kind=type(part).__name__,
                output_shape=None if positions is None else positions[1],
                macs=macs,
                macs_published=published,
                bops=macs * weight_bits * activation_bits,
                params=params,
                stored_bytes=stored,
                weight_bits=weight_bits,
                activation_bits=activation_bits,
            )
        )
    return Recount(tuple(layers), dict(sorted(by_operator.items(), key=lambda item: -item[1])))


def _bits_read(module: nn.Module) -> dict[int, int]:
    """Return in how many bits modules (by id) read their input, where it is fewer than 32."""
    found = {}
    for part in module.modules():
        if isinstance(part, QuantizedInput):
            reader = part.layer.depthwise if isinstance(part.layer, SeparableConv2d) else part.layer
            found[id(reader)] = part.bits
    return found


def _stored(tensor: Tensor, values: Mapping[str, Value]) -> int:
    if not values:
        return tensor.numel() * tensor.element_size()
    return int(packed_bytes(tensor.numel(), tensor.shape[0], values))


def _shapes(module: nn.Module, example: Tensor) -> dict[int, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the shapes of each module's (by id) first input and its output, in its last call."""
    found: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def hook(part: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(output, Tensor):
            found[id(part)] = (tuple(args[0].shape), tuple(output.shape))

    handles = [part.register_forward_hook(hook) for part in module.modules()]
    try:
        with torch.no_grad():
            module(example)
    finally:
        for handle in handles:
            handle.remove()
    return found
