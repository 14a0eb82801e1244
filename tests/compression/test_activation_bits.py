"""Activation quantisation against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from autogc.compression.activation_bits import ActivationBits
from autogc.errors import CandidateError

samples = arrays.arrays(np.float32, st.tuples(st.just(1), st.integers(1, 30)), elements=st.floats(-(2.0**30), 2.0**30, width=32))


@given(samples, st.integers(2, 16))
@settings(max_examples=200, deadline=None)
def test_grid_levels_and_error(array: np.ndarray, bits: int) -> None:
    x = torch.from_numpy(array)
    quantised = ActivationBits().apply(x, bits)
    assert len(quantised.unique()) <= 2**bits
    low, high = min(0.0, float(array.min())), max(0.0, float(array.max()))
    step = (high - low) / (2**bits - 1)
    # Half a step, and up to half a step more at an end of the range, which moved so that zero is on the grid.
    assert float((quantised - x).abs().max()) <= step * 1.001 + 1e-36
    assert bool((quantised[x == 0] == 0).all())


@pytest.mark.parametrize("bits", [2, 8])
def test_equals_the_formula(bits: int) -> None:
    x = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(1)) + 0.3
    for sample, quantised in zip(x.numpy(), ActivationBits().apply(x, bits).numpy(), strict=True):
        scale = (sample.max() - sample.min()) / np.float32(2**bits - 1)
        zero_point = -np.rint(sample.min() / scale)
        codes = np.clip(np.rint(sample / scale) + zero_point, 0, 2**bits - 1)
        np.testing.assert_allclose(quantised, (codes - zero_point) * scale, rtol=1e-6)


def test_after_a_relu_all_levels_are_positive() -> None:
    x = torch.linspace(0, 1, 1000)[None]
    assert torch.allclose(ActivationBits().apply(x, 2).unique(), torch.tensor([0, 1 / 3, 2 / 3, 1]))


def test_one_number_a_sample() -> None:
    x = torch.tensor([-2.0, 0.0, 3.0])
    assert torch.equal(ActivationBits().apply(x, 8), x)


def test_bad_value_is_refused() -> None:
    with pytest.raises(CandidateError, match="activation_bits: 64"):
        ActivationBits().apply(torch.ones(1, 2), 64)
