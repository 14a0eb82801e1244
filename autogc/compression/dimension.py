"""What a compression dimension is: six kinds, told apart by what they act on.

A dimension is one choice of a search space. Its kind says who applies it: channel and operator dimensions change which weights
a subnet has and unit dimensions which of its parts run (the supernet does that), mask and format dimensions change the values and the
stored size of one weight tensor (``autogc.compression.layer`` does that), activation dimensions change what a layer is fed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, overload, runtime_checkable

import numpy as np
from torch import Tensor

from autogc.errors import CandidateError

Value = int | float | str
Target = Literal["unit", "group", "layer"]
Counts = np.ndarray  # int64


@runtime_checkable
class Dimension(Protocol):
    """What all kinds have.

    Attributes:
        name: as in experiment files and candidates.
        slot: dimensions of one slot exclude each other at a target.
        target: ``unit`` (that can be left out), ``group`` (of channels) or ``layer``, what a value is chosen for.
        neutral: the value that does nothing.
    """

    name: str
    slot: str
    target: Target
    neutral: Any

    def problem(self, value: object) -> str | None:
        """Return why ``value`` is not allowed, naming it and what would be; None when it is allowed."""
        ...

    def describe(self, value: Any) -> str:
        """Return a few words for tables, such as ``8 bit``."""
        ...


@runtime_checkable
class UnitDimension(Dimension, Protocol):
    """Leaves out whole units of a generator."""

    def skips(self, value: Any) -> bool:
        """Return whether a unit of this value is left out."""
        ...


@runtime_checkable
class ChannelDimension(Dimension, Protocol):
    """Keeps some channels of a group."""

    @overload
    def count(self, available: int, value: Any, multiple: int) -> int: ...
    @overload
    def count(self, available: Counts, value: Any, multiple: int) -> Counts: ...
    def count(self, available: int | Counts, value: Any, multiple: int) -> int | Counts:
        """Return how many of ``available`` channels stay, a multiple of ``multiple`` and at least that."""
        ...

    def choose(self, kept: Tensor, count: int, importance: Callable[[], Tensor]) -> Tensor:
        """Return ``count`` of the channels ``kept`` (int64, ascending), ascending too.

        ``importance`` is called only where it matters and gives one score a channel of the *whole group*
        (``importance()[c]`` is channel ``c``'s), more is better.
        """
        ...


@runtime_checkable
class OperatorDimension(Dimension, Protocol):
    """Replaces a layer's operator; the supernet holds the weights of each."""

    operators: tuple[str, ...]


@runtime_checkable
class MaskDimension(Dimension, Protocol):
    """Sets some elements of a weight tensor to zero."""

    @overload
    def kept_count(self, numel: int, value: Any) -> int: ...
    @overload
    def kept_count(self, numel: Counts, value: Any) -> Counts: ...
    def kept_count(self, numel: int | Counts, value: Any) -> int | Counts:
        """Return how many of ``numel`` elements stay, at least one."""
        ...

    def mask(self, weight: Tensor, value: Any) -> Tensor:
        """Return a bool tensor of the weight's shape, True at exactly ``kept_count`` elements."""
        ...


@dataclass(frozen=True)
class Encoded:
    """The kept elements of one weight tensor as they are stored.

    ``table`` is float32 (scales or codebook entries), ``codes`` int32, one for each kept element in row-major order,
    non-negative and below two to the power of the stored bits.
    """

    table: Tensor
    codes: Tensor


@runtime_checkable
class FormatDimension(Dimension, Protocol):
    """Stores the kept elements of a weight tensor as a table of float32 numbers and one code an element."""

    def encode(self, weight: Tensor, mask: Tensor | None, value: Any) -> Encoded:
        """Encode the elements of ``weight`` (float32) where ``mask`` is True; all of them without a mask."""
        ...

    def decode(self, encoded: Encoded, shape: Sequence[int], mask: Tensor | None, value: Any) -> Tensor:
        """Return the float32 weights of that shape, zero where ``mask`` is False."""
        ...

    def parts(
        self, numel: int | Counts, out_channels: int | Counts, kept: int | Counts, value: Any
    ) -> list[tuple[int | Counts, int | Counts]]:
        """Return what is stored as (count, bits of each): first the table, then the codes."""
        ...


@runtime_checkable
class ActivationDimension(Dimension, Protocol):
    """Changes the activations that a layer is fed."""

    def apply(self, x: Tensor, value: Any) -> Tensor:
        """Return ``x`` (N, ...) changed, with a straight-through gradient; ``x`` itself for the neutral value."""
        ...


def check(dimension: Dimension, value: object) -> None:
    """Raise CandidateError when ``value`` is not one of the dimension's."""
    problem = dimension.problem(value)
    if problem is not None:
        raise CandidateError(f"{dimension.name}: {problem}")


def ratio_problem(value: object) -> str | None:
    """Return why ``value`` is not a share that may be removed: a number from 0 (none) to below 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        return f"{value!r} is not a ratio; a number from 0 to below 1 works, such as 0.5"
    return None


def share(ratio: float, count: int | Counts) -> int | Counts:
    """Return floor(ratio * count), an int for an int and an int64 array for an array."""
    floored = np.asarray(np.floor(ratio * np.asarray(count)), dtype=np.int64)
    return floored if isinstance(count, np.ndarray) else int(floored)
