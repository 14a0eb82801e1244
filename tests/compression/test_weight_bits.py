"""Weight quantisation against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from autogc.compression import compress, unpack
from autogc.compression.weight_bits import WeightBits


@pytest.mark.parametrize("bits", [2, 3, 8, 16])
def test_equals_the_formula(bits: int) -> None:
    weight = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    level = 2 ** (bits - 1) - 1
    for channel, compressed in zip(weight.numpy(), compress(weight, {"weight_bits": bits}).numpy(), strict=True):
        scale = np.float32(np.abs(channel).max() / np.float32(level))
        codes = np.rint(channel / scale)
        assert np.abs(codes).max() == level
        np.testing.assert_array_equal(compressed, codes.astype(np.float32) * scale)
        assert np.abs(compressed - channel).max() <= scale * 0.5001


def test_two_bits_are_ternary() -> None:
    weight = torch.tensor([[0.9, -0.2, 0.5, -0.6]])
    assert compress(weight, {"weight_bits": 2}).tolist() == (torch.tensor([[1.0, 0.0, 1.0, -1.0]]) * 0.9).tolist()


def test_scale_is_that_of_the_kept_weights() -> None:
    weight = torch.tensor([[0.5, 0.01, 0.02, 0.0], [8.0, -4.0, 2.0, 0.001]])
    encoded = WeightBits().encode(weight, torch.tensor([[True, False, True, False], [False, True, True, False]]), 8)
    assert encoded.table.tolist() == pytest.approx([0.5 / 127, 4.0 / 127])
    assert encoded.codes.tolist() == [127 + 127, 5 + 127, -127 + 127, 64 + 127]


@pytest.mark.parametrize("bits", range(2, 17))
def test_scale_comes_back_from_its_largest_product(bits: int) -> None:
    """What idempotence rests on: fl(fl(fl(m / L) * L) / L) = fl(m / L), for a prime stride through all mantissas of m."""
    largest = np.arange(2**23, 2**24, 97, dtype=np.uint32).astype(np.float32)
    level = np.float32(2 ** (bits - 1) - 1)
    scale = largest / level
    np.testing.assert_array_equal(scale * level / level, scale)


@given(
    arrays.arrays(np.float32, arrays.array_shapes(min_dims=2, max_dims=4, max_side=5), elements=st.floats(-(2.0**99), 2.0**99, width=32)),
    st.integers(2, 16),
)
@settings(max_examples=200, deadline=None)
def test_twice_is_once(weight: np.ndarray, bits: int) -> None:
    once = compress(torch.from_numpy(weight), {"weight_bits": bits})
    twice = compress(once, {"weight_bits": bits})
    assert torch.equal(once.view(torch.int32), twice.view(torch.int32))


def test_stored_layout() -> None:
    """Two scales, then codes of 4 bits from -7 as 0 to 7 as 14, least significant first."""
    weight = torch.tensor([[7.0, -7.0, 1.0], [0.0, 14.0, -2.0]])
    data = np.array([1.0, 2.0], dtype="<f4").tobytes() + bytes([0x0E, 0x78, 0x6E])
    assert torch.equal(unpack(data, (2, 3), {"weight_bits": 4}), weight)
