"""Codes of 1 to 16 bits against arithmetic on one long integer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogc.compression.bitpacking import pack_codes, packed_size, unpack_codes
from autogc.errors import CheckpointError


@st.composite
def codes_of_some_bits(draw: st.DrawFn) -> tuple[list[int], int]:
    bits = draw(st.integers(1, 16))
    return draw(st.lists(st.integers(0, 2**bits - 1), max_size=50)), bits


@given(codes_of_some_bits())
def test_equals_one_long_little_endian_number(case: tuple[list[int], int]) -> None:
    codes, bits = case
    number = sum(code << (index * bits) for index, code in enumerate(codes))
    expected = number.to_bytes((len(codes) * bits + 7) // 8, "little")
    packed = pack_codes(np.array(codes, dtype=np.int32), bits)
    assert packed == expected
    assert len(packed) == packed_size(len(codes), bits)
    unpacked = unpack_codes(packed, len(codes), bits)
    assert unpacked.dtype == np.int32 and unpacked.tolist() == codes


@pytest.mark.parametrize("bits", [3, 8, 16])
def test_another_length_is_refused(bits: int) -> None:
    packed = pack_codes(np.zeros(10, dtype=np.int32), bits)
    with pytest.raises(CheckpointError, match=f"10 codes of {bits} bits take {len(packed)} bytes, found {len(packed) - 1}"):
        unpack_codes(packed[:-1], 10, bits)


def test_a_code_that_does_not_fit_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        pack_codes(np.array([4], dtype=np.int32), 2)
