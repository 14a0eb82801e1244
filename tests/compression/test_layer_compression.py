"""Masks and formats together in one weight."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from autogc.compression import DIMENSIONS, MaskDimension, compress, pack, packed_bytes, unpack
from autogc.errors import CandidateError, CheckpointError

ratios = st.sampled_from([0.0, 0.1, 0.29, 0.5, 0.9, 0.999])
formats = st.one_of(
    st.just({}), st.builds(lambda bits: {"weight_bits": bits}, st.integers(2, 16)), st.builds(lambda k: {"codebook": k}, st.integers(2, 40))
)
# Few distinct magnitudes among the elements make ties, zeros of both signs included.
elements = st.one_of(st.sampled_from([0.0, -0.0, 0.5, -0.5, 2.0]), st.floats(-(2.0**40), 2.0**40, width=32))
weights = arrays.arrays(np.float32, arrays.array_shapes(min_dims=1, max_dims=4, max_side=5), elements=elements)


@given(weights, ratios, formats)
@settings(max_examples=300, deadline=None)
def test_stored_computed_and_counted_agree(array: np.ndarray, ratio: float, form: dict[str, Any]) -> None:
    weight, values = torch.from_numpy(array), {"element_pruning": ratio, **form}
    compressed = compress(weight, values)
    data = pack(weight, values)
    assert len(data) == packed_bytes(weight.numel(), weight.shape[0], values)
    bits = compressed.view(torch.int32)
    assert torch.equal(unpack(data, weight.shape, values).view(torch.int32), bits)
    assert torch.equal(compress(compressed, values).view(torch.int32), bits)
    assert int((compressed == 0).sum()) >= math.floor(ratio * weight.numel())


@given(weights, ratios)
def test_mask_keeps_exactly_the_largest(array: np.ndarray, ratio: float) -> None:
    pruning = DIMENSIONS["element_pruning"]
    assert isinstance(pruning, MaskDimension)
    weight = torch.from_numpy(array)
    mask = pruning.mask(weight, ratio)
    order = np.argsort(np.abs(array).reshape(-1), kind="stable")
    expected = np.ones(array.size, dtype=bool)
    expected[order[: math.floor(ratio * array.size)]] = False
    assert mask.flatten().tolist() == expected.tolist()
    assert pruning.kept_count(array.size, ratio) == expected.sum()


def test_one_weight_always_stays() -> None:
    almost_all = float(np.nextafter(1, 0))
    assert packed_bytes(2**60, 1, {"element_pruning": almost_all}) > 2**57
    pruning = DIMENSIONS["element_pruning"]
    assert isinstance(pruning, MaskDimension) and pruning.kept_count(2**60, almost_all) >= 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 4 * 1152),
        ({"element_pruning": 0.5}, 1152 // 8 + 4 * 576),
        ({"weight_bits": 8}, 4 * 16 + 1152),
        ({"weight_bits": 5}, 4 * 16 + 1152 * 5 // 8),
        ({"codebook": 100}, 4 * 100 + 1152 * 7 // 8),
        ({"codebook": 2}, 4 * 2 + 1152 // 8),
        ({"element_pruning": 0.9, "codebook": 16}, 1152 // 8 + 4 * 16 + 116 // 2),
        ({"element_pruning": 0.25, "weight_bits": 3}, 1152 // 8 + 4 * 16 + 864 * 3 // 8),
        ({"element_pruning": 0.25, "weight_bits": 32, "codebook": "none", "activation_bits": 8}, 1152 // 8 + 4 * 864),
    ],
)
def test_stored_bytes_by_arithmetic(values: dict[str, Any], expected: int) -> None:
    weight = torch.randn(16, 8, 3, 3)
    assert packed_bytes(1152, 16, values) == expected == len(pack(weight, values))


def test_dimensions_without_weights_are_passed_over() -> None:
    weight = torch.randn(3, 4)
    assert compress(weight, {"activation_bits": 8, "operator": "separable", "width": 2, "filter_pruning": 0.5}) is weight


def test_one_format_a_layer() -> None:
    values: dict[str, Any] = {"weight_bits": 8, "codebook": 16}
    for call in (lambda: compress(torch.ones(2, 2), values), lambda: pack(torch.ones(2, 2), values), lambda: packed_bytes(4, 2, values)):
        with pytest.raises(CandidateError, match=r"weight_bits \(8\) and codebook \(16\) exclude each other"):
            call()


def test_unknown_dimension_is_named() -> None:
    with pytest.raises(CandidateError, match="no compression dimension named 'weight_bit': did you mean 'weight_bits'"):
        compress(torch.ones(2, 2), {"weight_bit": 8})


@pytest.mark.parametrize("values", [{}, {"element_pruning": 0.5}, {"weight_bits": 3}, {"element_pruning": 0.5, "codebook": 4}])
@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b""])
def test_data_of_another_length_is_refused(values: dict[str, Any], change: Any) -> None:
    data = change(pack(torch.randn(3, 4), values))
    with pytest.raises(CheckpointError, match=rf"shape \(3, 4\) .* takes {packed_bytes(12, 3, values)} bytes, found {len(data)}"):
        unpack(data, (3, 4), values)


def test_damaged_mask_is_refused() -> None:
    values = {"element_pruning": 0.5}
    data = bytearray(pack(torch.randn(3, 4), values))
    data[0] = 0xFF
    data[1] = 0x0F
    with pytest.raises(CheckpointError, match="keeps 12 elements, not 6"):
        unpack(bytes(data), (3, 4), values)


def test_codes_past_the_end_of_a_codebook_are_refused() -> None:
    values = {"codebook": 5}
    data = bytearray(pack(torch.randn(4, 4), values))
    data[-1] = 0xFF
    with pytest.raises(CheckpointError, match="codebook"):
        unpack(bytes(data), (4, 4), values)


def test_weights_that_are_not_finite_are_not_stored() -> None:
    with pytest.raises(CheckpointError, match="not finite"):
        pack(torch.tensor([[1.0, torch.inf]]), {"weight_bits": 8})


def test_in_training_the_weight_behind_a_zero_learns() -> None:
    """A pruned weight gets a gradient, grows, and is kept again."""
    weight = torch.tensor([[1.0, 0.1]], requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    compressed = compress(weight, {"element_pruning": 0.5})
    assert compressed.tolist() == [[1.0, 0.0]]
    (-2 * compressed[0, 1]).backward()
    optimizer.step()
    assert compress(weight, {"element_pruning": 0.5}).tolist() == [[0.0, pytest.approx(2.1)]]


def test_works_under_torch_func() -> None:
    weight = torch.randn(3, 4)
    gradient = torch.func.grad(lambda w: (compress(w, {"weight_bits": 4}) * 3).sum())(weight)
    assert torch.equal(gradient, torch.full((3, 4), 3.0))
