"""One weight tensor compressed: a mask and a format together, as values and as stored bytes.

Stored are, each padded to whole bytes: the mask (one bit an element, where anything is pruned), the format's float32 table, its codes;
without a format, the kept elements as float32. Nothing else: shapes and choices are in the candidate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autogc.compression.bitpacking import pack_codes, packed_size, unpack_codes
from autogc.compression.catalogue import DIMENSIONS
from autogc.compression.dimension import Counts, Dimension, Encoded, FormatDimension, MaskDimension, Value, check
from autogc.compression.straight_through import straight_through
from autogc.errors import CandidateError, CheckpointError, nearest

# Asking a protocol for every layer of every candidate takes longer than the arithmetic of its cost.
_MASKS = {name: dimension for name, dimension in DIMENSIONS.items() if isinstance(dimension, MaskDimension)}
_FORMATS = {name: dimension for name, dimension in DIMENSIONS.items() if isinstance(dimension, FormatDimension)}


@dataclass(frozen=True)
class _Recipe:
    """What of a layer's values acts on its weights; None where the value is neutral."""

    mask: MaskDimension | None
    mask_value: Any
    format: FormatDimension | None
    format_value: Any

    @property
    def neutral(self) -> bool:
        return self.mask is None and self.format is None

    def kept(self, numel: Any) -> Any:
        return numel if self.mask is None else self.mask.kept_count(numel, self.mask_value)

    def parts(self, numel: Any, out_channels: Any) -> list[tuple[Any, Any]]:
        """Return the (count, bits) of the table and the codes."""
        kept = self.kept(numel)
        return [(kept, 32)] if self.format is None else self.format.parts(numel, out_channels, kept, self.format_value)

    def mask_of(self, weight: Tensor) -> Tensor | None:
        return None if self.mask is None else self.mask.mask(weight, self.mask_value)

    def decode(self, encoded: Encoded, shape: Sequence[int], mask: Tensor | None) -> Tensor:
        assert self.format is not None
        return self.format.decode(encoded, shape, mask, self.format_value)


def _recipe(values: Mapping[str, Value]) -> _Recipe:
    """Check a layer's values. Raises CandidateError for an unknown dimension, a bad value, or two values for one slot."""
    chosen: dict[str, Dimension] = {}
    for name, value in values.items():
        if name not in DIMENSIONS:
            raise CandidateError(f"no compression dimension named {name!r}: {nearest(name, DIMENSIONS)}")
        dimension = DIMENSIONS[name]
        check(dimension, value)
        if value == dimension.neutral:
            continue
        if dimension.slot in chosen:
            other = chosen[dimension.slot].name
            raise CandidateError(f"{other} ({values[other]!r}) and {name} ({value!r}) exclude each other in a layer; one of them works")
        chosen[dimension.slot] = dimension
    mask = next((_MASKS[one.name] for one in chosen.values() if one.name in _MASKS), None)
    form = next((_FORMATS[one.name] for one in chosen.values() if one.name in _FORMATS), None)
    return _Recipe(mask, mask and values[mask.name], form, form and values[form.name])


def compress(weight: Tensor, values: Mapping[str, Value]) -> Tensor:
    """Return what a layer with these values computes with; ``weight`` itself where all of them are neutral.

    The gradient is the identity for every element, pruned ones too: in a supernet a weight that is pruned now may grow and come back.
    ``values`` may name dimensions that do not act on weights; they are passed over. Worked out in float32 and returned in the
    weight's dtype. For float32 weights compressing twice changes no bit.

    Raises CandidateError for values that are not allowed, or exclude each other.
    """
    recipe = _recipe(values)
    if recipe.neutral:
        return weight
    with torch.no_grad():
        single = weight.detach().float()
        mask = recipe.mask_of(single)
        if recipe.format is not None:
            compressed = recipe.decode(recipe.format.encode(single, mask, recipe.format_value), single.shape, mask)
        else:
            assert mask is not None
            # Adding zero turns -0.0 into 0.0, so that a kept zero and a pruned one are the same bits.
            compressed = torch.where(mask, single, 0.0).add_(0.0)
        compressed = compressed.to(weight.dtype)
    return straight_through(weight, compressed)


def packed_bytes(numel: int | Counts, out_channels: int | Counts, values: Mapping[str, Value]) -> int | Counts:
    """Return ``len(pack(weight, values))`` without the weight: it has ``numel`` elements and ``out_channels`` is its ``shape[0]``.

    Arrays of either give an int64 array.
    """
    recipe = _recipe(values)
    total: Any = sum(-(-count * bits // 8) for count, bits in recipe.parts(numel, out_channels))
    if recipe.mask is not None:
        total = total + -(-numel // 8)
    if isinstance(numel, np.ndarray) or isinstance(out_channels, np.ndarray):
        return np.broadcast_to(total, np.broadcast_shapes(np.shape(numel), np.shape(out_channels))).astype(np.int64)
    return int(total)


def pack(weight: Tensor, values: Mapping[str, Value]) -> bytes:
    """Return the stored form of a weight (on any device). Raises CheckpointError for weights that are not finite."""
    recipe = _recipe(values)
    single = weight.detach().cpu().float().contiguous()
    if not bool(single.isfinite().all()):
        raise CheckpointError("weights that are not finite cannot be packed; training diverged, or the file they came from is damaged")
    mask = recipe.mask_of(single)
    stored = b"" if mask is None else np.packbits(mask.numpy().reshape(-1), bitorder="little").tobytes()
    if recipe.format is None:
        kept = single.flatten() if mask is None else single[mask] + 0.0
        return stored + _floats(kept)
    encoded = recipe.format.encode(single, mask, recipe.format_value)
    bits = recipe.parts(single.numel(), single.shape[0])[1][1]
    return stored + _floats(encoded.table) + pack_codes(encoded.codes.numpy(), bits)


def unpack(data: bytes, shape: Sequence[int], values: Mapping[str, Value]) -> Tensor:
    """Return the float32 weights of ``shape`` that ``pack`` stored, equal to ``compress`` of them bit for bit.

    Raises CheckpointError when the data is not as long as these values and this shape make it, or its mask keeps another number
    of elements than the values say.
    """
    recipe = _recipe(values)
    numel = math.prod(shape)
    expected = packed_bytes(numel, shape[0], values)
    if len(data) != expected:
        raise CheckpointError(f"a weight of shape {tuple(shape)} with {dict(values)} takes {expected} bytes, found {len(data)}")
    rest = memoryview(data)
    mask = None
    if recipe.mask is not None:
        flags, rest = rest[: -(-numel // 8)], rest[-(-numel // 8) :]
        bits = np.unpackbits(np.frombuffer(flags, dtype="u1"), count=numel, bitorder="little")
        if int(bits.sum()) != recipe.kept(numel):
            raise CheckpointError(f"the mask of a weight of shape {tuple(shape)} keeps {bits.sum()} elements, not {recipe.kept(numel)}")
        mask = torch.from_numpy(bits.astype(bool)).view(*shape)
    table_part, *code_parts = recipe.parts(numel, shape[0])
    table = torch.from_numpy(np.frombuffer(rest[: 4 * table_part[0]], dtype="<f4").astype(np.float32))
    if not code_parts:
        return table.view(*shape) if mask is None else torch.zeros(mask.shape).masked_scatter_(mask, table)
    count, width = code_parts[0]
    assert len(rest) == 4 * table_part[0] + packed_size(count, width)
    codes = torch.from_numpy(unpack_codes(rest[4 * table_part[0] :], count, width))
    try:
        return recipe.decode(Encoded(table=table, codes=codes), shape, mask)
    except IndexError as error:
        raise CheckpointError(f"a weight of shape {tuple(shape)} with {dict(values)} has a code past the end of its table") from error


def _floats(values: Tensor) -> bytes:
    return values.numpy().astype("<f4").tobytes()
