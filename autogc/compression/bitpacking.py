"""Unsigned codes of 1 to 16 bits, packed without gaps. Bits go from the least significant up, as in a little-endian number."""

from __future__ import annotations

import numpy as np

from autogc.errors import CheckpointError


def packed_size(count: int, bits: int) -> int:
    """Return the bytes that ``count`` codes take, the last one padded."""
    return -(-count * bits // 8)


def pack_codes(codes: np.ndarray, bits: int) -> bytes:
    """Pack non-negative integers below 2^bits (one axis)."""
    assert 1 <= bits <= 16, bits
    assert codes.size == 0 or (codes.min() >= 0 and codes.max() < 2**bits), "codes do not fit their bits"
    if bits in (8, 16):
        return codes.astype("u1" if bits == 8 else "<u2").tobytes()
    columns = np.unpackbits(codes.astype("<u2").view("u1").reshape(-1, 2), axis=1, bitorder="little")[:, :bits]
    return np.packbits(columns, bitorder="little").tobytes()


def unpack_codes(data: bytes | memoryview, count: int, bits: int) -> np.ndarray:
    """Return the ``count`` codes that ``pack_codes`` packed, as int32. Raises CheckpointError when the length is another."""
    if len(data) != packed_size(count, bits):
        raise CheckpointError(f"{count} codes of {bits} bits take {packed_size(count, bits)} bytes, found {len(data)}")
    if bits in (8, 16):
        return np.frombuffer(data, dtype="u1" if bits == 8 else "<u2").astype(np.int32)
    flat = np.unpackbits(np.frombuffer(data, dtype="u1"), count=count * bits, bitorder="little").reshape(count, bits)
    columns = np.zeros((count, 16), dtype=np.uint8)
    columns[:, :bits] = flat
    return np.packbits(columns, axis=1, bitorder="little").view("<u2").reshape(count).astype(np.int32)
