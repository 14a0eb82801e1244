"""What the discovery of channel groups says about a generator, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from autogc.errors import CheckpointError


@dataclass(frozen=True)
class AxisMember:
    """One axis of one parameter or buffer on which a group's channels live.

    ``positions[c]`` are the indices on that axis that belong to channel ``c`` of the group, ascending; several where
    a flatten or a PixelShuffle spreads a channel. Every channel of a group has equally many.
    """

    tensor: str
    axis: int
    positions: tuple[tuple[int, ...], ...]

    @property
    def repeat(self) -> int:
        """Indices on the axis for each channel of the group."""
        return len(self.positions[0])


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that must be kept or dropped together wherever they occur.

    Named after its first producer layer in execution order. A kept number of channels must be a multiple
    of ``multiple`` (grouped convolutions and GroupNorm shrink every one of their groups evenly).
    """

    name: str
    size: int
    members: tuple[AxisMember, ...]
    producers: tuple[str, ...]
    multiple: int = 1


@dataclass(frozen=True)
class Unit:
    """A part of the generator that maps a tensor to one of the same shape, so that the identity can take its place.

    It is the modules that run one after the other, the tensor of the first one's first argument going in and the last one's output coming
    out: a residual block, or a convolution with the activation that follows it. Named after the module with its first weight. ``inputs`` is
    how many arguments the first module is called with; a unit that is left out gives back the first.
    """

    name: str
    modules: tuple[str, ...]
    inputs: int = 1

    def holds(self, name: str) -> bool:
        """Return whether a module, parameter or buffer of this qualified name is a part of the unit."""
        return any(name == module or name.startswith(f"{module}.") for module in self.modules)


@dataclass(frozen=True)
class WeightUse:
    """How a convolution or linear weight is used in one forward pass of the example input (batch 1).

    ``positions`` is how often each weight element is multiplied: output positions of a convolution, input positions of
    a transposed one, rows of a matrix product; summed over calls. Calls whose rows are channels themselves are ``Product``s instead.
    ``published_positions`` counts a transposed convolution at its output positions, as the papers' tool does. ``contracted`` is the axis
    of the weight that is summed over. ``called`` says that only the layer itself multiplied with it, not code that took its weight.
    """

    tensor: str
    layer: str
    kind: str  # "conv", "conv_transpose" or "linear"
    positions: int
    published_positions: int
    contracted: int = 1
    called: bool = True


@dataclass(frozen=True)
class AxisLength:
    """``fixed + sum(indices_per_channel * kept[group])``: the length of an axis that channels live on."""

    fixed: int
    parts: tuple[tuple[str, int], ...] = ()

    def of(self, kept: Mapping[str, Any]) -> Any:
        """Return the length for the kept channels of each group: numbers or arrays of them."""
        length: Any = self.fixed
        for group, repeat in self.parts:
            length = length + repeat * kept[group]
        return length

    def without(self, frozen: Mapping[str, int]) -> AxisLength:
        """Return the length where groups keep all their channels, given by group."""
        whole = sum(repeat * frozen[group] for group, repeat in self.parts if group in frozen)
        return AxisLength(self.fixed + whole, tuple(part for part in self.parts if part[0] not in frozen))


@dataclass(frozen=True)
class Product:
    """Multiplications of activations with one another, or with a weight that is computed or applied to as many rows as there are channels.

    There are ``positions`` times the product of ``factors`` of them; ``published_positions`` as in ``WeightUse``.
    """

    where: str
    factors: tuple[AxisLength, ...]
    positions: int
    published_positions: int


@dataclass(frozen=True)
class Discovery:
    """All that is known of a generator's elasticity.

    ``watched`` maps a watched module to the groups on the channel axis (axis 1) of its output: for each channel
    position, the pair (group name, channel) or None where it is fixed. ``frozen`` maps a tensor axis (``"name:axis"``)
    or a group to the reason why it can't shrink. ``notes`` says of a group what is true of it though it can shrink, such as
    that a LayerNorm averages over its channels, so that its statistics change with the width. ``products`` are the multiplications beside
    those of ``uses``. ``units`` are the parts that a subnet may leave out, in execution order; ``required`` says of others that were to
    be such why they must stay.
    """

    groups: tuple[ChannelGroup, ...]
    uses: tuple[WeightUse, ...]
    watched: Mapping[str, tuple[tuple[str, int] | None, ...]] = field(default_factory=dict)
    frozen: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    products: tuple[Product, ...] = ()
    units: tuple[Unit, ...] = ()
    required: Mapping[str, str] = field(default_factory=dict)

    def group(self, name: str) -> ChannelGroup:
        """Return the group of that name."""
        return next(group for group in self.groups if group.name == name)

    def to_json(self) -> Any:
        """Return the discovery as JSON-ready data."""
        return _JSON.dump_python(self, mode="json")

    @classmethod
    def from_json(cls, data: Any) -> Discovery:
        """Read what ``to_json`` gave. Raises CheckpointError on anything else."""
        try:
            return _JSON.validate_python(data)
        except ValidationError as error:
            raise CheckpointError(
                f"not a discovery of channel groups: {error.error_count()} problems, first: {error.errors()[0]['msg']}"
            ) from error


_JSON = TypeAdapter(Discovery)
