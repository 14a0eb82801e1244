"""What one layer costs, as a formula in the kept channels and the layer's compression values.

Every length of a tensor's axis is a constant plus, for each channel group on it, the group's kept channels times how many
indices a channel takes there. The number of elements is the product of the lengths; MACs, parameters and stored bytes follow
from the numbers of elements. Nothing is built or run, and all of it works on numpy arrays of kept channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autogc.compression import packed_bytes
from autogc.supernet.candidate import Value
from autogc.supernet.groups import AxisLength, ChannelGroup, Product

# The order of the columns wherever costs stand in an array.
COSTS = ("macs", "macs_published", "params", "storage_bytes")
# A packed file: an 8-byte length, a header padded to 128 bytes, the payload (see ``export.packed``).
PACKED_OVERHEAD = 8 + 128
# The dimensions that change how a weight is stored; the others act on shapes or activations.
WEIGHT_DIMENSIONS = ("element_pruning", "weight_bits", "codebook")

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

    @property
    def groups(self) -> frozenset[str]:
        """The channel groups that the costs depend on."""
        sizes = [weight.size for weights in self.weights.values() for weight in weights]
        sizes += [tensor.size for tensors in self.rest.values() for tensor in tensors]
        multiplied = {group for product in self.products for length in product.factors for group, _ in length.parts}
        return frozenset(multiplied.union(group for size in sizes for group in size.groups))

    def costs(self, kept: Kept, values: Mapping[str, Value]) -> np.ndarray:
        """Return int64 ``(..., 4)`` in the order of ``COSTS``; ``...`` is the shape that the arrays of ``kept`` broadcast to.

        ``values`` are the layer's values by dimension; absent ones are neutral.
        """
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
            multiplied: Any = 1
            for length in product.factors:
                multiplied = multiplied * length.of(kept)
            macs = macs + multiplied * product.positions
            published = published + multiplied * product.published_positions
        for tensor in self.rest[operator]:
            numel = tensor.size.numel(kept)
            params = params + numel * tensor.is_parameter
            stored = stored + numel * tensor.itemsize
        return np.stack(np.broadcast_arrays(*(np.asarray(part, dtype=np.int64) for part in (macs, published, params, stored))), axis=-1)
