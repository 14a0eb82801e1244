"""What one layer costs, as a formula in the kept channels and the layer's compression values.

Every length of a tensor's axis is a constant plus, for each channel group on it, the group's kept channels times how many
indices a channel takes there. The number of elements is the product of the lengths; MACs, bit operations, parameters and stored bytes
follow from the numbers of elements. Nothing is built or run, and all of it works on numpy arrays of kept channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autogc.compression import packed_bytes
from autogc.supernet.candidate import Value
from autogc.supernet.groups import AxisLength, ChannelGroup, Product

# The order of the columns wherever costs stand in an array.
COSTS = ("macs", "macs_published", "bops", "params", "storage_bytes", "peak_activation_bytes")
# A packed file: an 8-byte length, a header padded to 128 bytes, the payload (see ``export.packed``).
PACKED_OVERHEAD = 8 + 128
# The dimensions that change how a weight is stored; the others act on shapes or activations.
WEIGHT_DIMENSIONS = ("element_pruning", "weight_bits", "codebook")
# What is not quantised is float32; so are the entries of a codebook, which are looked up and then multiplied.
FULL_BITS = 32

Kept = Mapping[str, Any]  # group name -> kept channels: an int, or an int64 array


@dataclass(frozen=True)
class TensorSize:
    """The shape of one parameter or buffer, axis by axis."""

    axes: tuple[AxisLength, ...]

    @property
    def groups(self) -> frozenset[str]:
        """The channel groups that the shape depends on."""
        return frozenset(group for axis in self.axes for group, _ in axis.parts)

    def numel(self, kept: Kept) -> Any:
        """Return the number of elements."""
        count: Any = 1
        for axis in self.axes:
            count = count * axis.of(kept)
        return count


def axis_lengths(shapes: Mapping[str, tuple[int, ...]], groups: Iterable[ChannelGroup]) -> dict[str, TensorSize]:
    """Return the size of every full tensor of ``shapes`` in terms of the groups that live on its axes."""
    parts: dict[tuple[str, int], list[tuple[str, int]]] = {}
    fixed = {(name, axis): length for name, shape in shapes.items() for axis, length in enumerate(shape)}
    for group in groups:
        for member in group.members:
            place = (member.tensor, member.axis)
            if place in fixed:
                parts.setdefault(place, []).append((group.name, member.repeat))
                fixed[place] -= member.repeat * group.size
    return {
        name: TensorSize(tuple(AxisLength(fixed[name, axis], tuple(parts.get((name, axis), ()))) for axis in range(len(shape))))
        for name, shape in shapes.items()
    }


@dataclass(frozen=True)
class WeightCost:
    """A compressible weight: how large, and how often each element is multiplied in one forward pass."""

    name: str
    size: TensorSize
    positions: int
    published_positions: int
    is_parameter: bool = True


@dataclass(frozen=True)
class RestCost:
    """Any other tensor that ships, as it is: biases, norm layers, buffers."""

    name: str
    size: TensorSize
    itemsize: int
    is_parameter: bool


@dataclass(frozen=True)
class Term:
    """One layer, with the tensors that each operator gives it; or, with ``layer`` "", tensors or products outside of layers."""

    layer: str
    weights: Mapping[str, tuple[WeightCost, ...]]  # operator -> weights
    rest: Mapping[str, tuple[RestCost, ...]]  # operator -> other tensors
    products: tuple[Product, ...] = ()
    unit: str = ""  # that it is a part of, and costs nothing without

    @property
    def groups(self) -> frozenset[str]:
        """The channel groups that the costs depend on."""
        sizes = [weight.size for weights in self.weights.values() for weight in weights]
        sizes += [tensor.size for tensors in self.rest.values() for tensor in tensors]
        multiplied = {group for product in self.products for length in product.factors for group, _ in length.parts}
        return frozenset(multiplied.union(group for size in sizes for group in size.groups))

    def counts(self, kept: Kept, values: Mapping[str, Value]) -> np.ndarray:
        """Return MACs, published MACs, parameters and stored bytes, int64 ``(..., 4)``.

        ``...`` is the shape that the arrays of ``kept`` broadcast to; () where the unit is skipped. ``values`` are those of the layer by
        dimension, and the ``depth`` of its unit; absent ones are neutral.
        """
        if _is_skipped(values):
            return np.zeros(4, dtype=np.int64)
        operator = str(values.get("operator", "dense"))
        storing = {name: value for name, value in values.items() if name in WEIGHT_DIMENSIONS}
        macs: Any = 0
        published: Any = 0
        params: Any = 0
        stored: Any = 0
        for weight in self.weights[operator]:
            numel = weight.size.numel(kept)
            macs = macs + numel * weight.positions
            published = published + numel * weight.published_positions
            params = params + numel * weight.is_parameter
            stored = stored + packed_bytes(numel, weight.size.axes[0].of(kept), storing)
        for product in self.products:
            multiplied = _multiplied(product, kept)
            macs = macs + multiplied * product.positions
            published = published + multiplied * product.published_positions
        for tensor in self.rest[operator]:
            numel = tensor.size.numel(kept)
            params = params + numel * tensor.is_parameter
            stored = stored + numel * tensor.itemsize
        return _stacked(macs, published, params, stored)

    def bit_operations(self, kept: Kept, values: Mapping[str, Value]) -> np.ndarray:
        """Return BOPs, int64 ``(..., 1)``: MACs x bits of a weight x bits of an activation, as for ``counts``.

        (Baskin et al., UNIQ, 2018, count so up to the accumulator's bits; van Baalen et al., Bayesian Bits, NeurIPS 2020, exactly so.)
        Only what the layer reads is quantised: the second convolution of a separable pair reads the first one's float32 result. Pruned
        weights are multiplied as zeros, and count.
        """
        if _is_skipped(values):
            return np.zeros(1, dtype=np.int64)
        weight_bits = int(values.get("weight_bits", FULL_BITS))
        activation_bits = int(values.get("activation_bits", FULL_BITS))
        total: Any = 0
        for place, weight in enumerate(self.weights[str(values.get("operator", "dense"))]):
            total = total + weight.size.numel(kept) * (weight.positions * weight_bits * (FULL_BITS if place else activation_bits))
        for product in self.products:
            total = total + _multiplied(product, kept) * (product.positions * weight_bits * activation_bits)
        return _stacked(total)


def _is_skipped(values: Mapping[str, Value]) -> bool:
    return values.get("depth") == "skip"


def _multiplied(product: Product, kept: Kept) -> Any:
    multiplied: Any = 1
    for length in product.factors:
        multiplied = multiplied * length.of(kept)
    return multiplied


def _stacked(*parts: Any) -> np.ndarray:
    return np.stack(np.broadcast_arrays(*(np.asarray(part, dtype=np.int64) for part in parts)), axis=-1)


@dataclass(frozen=True)
class Family:
    """Costs that depend on the same dimensions of a layer, so that one table holds them all."""

    costs: tuple[str, ...]
    dimensions: tuple[str, ...]
    of: Callable[[Term, Kept, Mapping[str, Value]], np.ndarray]  # int64 (..., len(costs))


# Apart, because pruning does not change bit operations and the bits of activations nothing else: one table would be their product.
FAMILIES = (
    Family(("macs", "macs_published", "params", "storage_bytes"), ("depth", "operator", *WEIGHT_DIMENSIONS), Term.counts),
    Family(("bops",), ("depth", "operator", "weight_bits", "codebook", "activation_bits"), Term.bit_operations),
)
