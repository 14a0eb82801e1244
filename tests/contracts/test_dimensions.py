"""What every compression dimension must hold to. A new dimension adds one row to ``ROWS``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autogc.compression import (
    DIMENSIONS,
    ActivationDimension,
    ChannelDimension,
    FormatDimension,
    MaskDimension,
    OperatorDimension,
    UnitDimension,
    compress,
    pack,
    packed_bytes,
    unpack,
)
from autogc.errors import CandidateError
from autogc.supernet.candidate import Candidate


@dataclass(frozen=True)
class Row:
    """Allowed values from the mildest to the strongest, and values that are not allowed."""

    good: tuple[Any, ...]
    bad: tuple[Any, ...]


ROWS = {
    "depth": Row(good=("skip",), bad=("drop", 0, None, True)),
    "width": Row(good=(24, 16, 8), bad=(0, -8, 8.0, "8", True)),
    "filter_pruning": Row(good=(0.25, 0.5, 0.75), bad=(1, -0.1, "half", float("nan"), True)),
    "operator": Row(good=("separable",), bad=("depthwise", 1, None)),
    "element_pruning": Row(good=(0.1, 0.5, 0.9), bad=(1.0, -0.1, "half", float("nan"), None)),
    "weight_bits": Row(good=(16, 8, 5, 2), bad=(1, 17, 24, 8.0, "8", True)),
    "codebook": Row(good=(256, 64, 5, 2), bad=(1, 65537, 16.0, "16", None, False)),
    "activation_bits": Row(good=(16, 8, 2), bad=(1, 17, 8.5, "8", True)),
}
CHANNEL = [name for name, one in DIMENSIONS.items() if isinstance(one, ChannelDimension)]
ACTIVATION = [name for name, one in DIMENSIONS.items() if isinstance(one, ActivationDimension)]
WEIGHT = [name for name, one in DIMENSIONS.items() if isinstance(one, MaskDimension | FormatDimension)]
UNIT = [name for name, one in DIMENSIONS.items() if isinstance(one, UnitDimension)]
OPERATOR = [name for name, one in DIMENSIONS.items() if isinstance(one, OperatorDimension)]

every_value = pytest.mark.parametrize(("name", "value"), [(name, value) for name in DIMENSIONS for value in ROWS[name].good])
weight_values = pytest.mark.parametrize(("name", "value"), [(name, value) for name in WEIGHT for value in ROWS[name].good])


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7)) * 0.05


WEIGHTS: dict[str, Callable[[], Tensor]] = {
    "convolution": lambda: drawn(16, 12, 3, 3),
    "linear": lambda: drawn(10, 7),
    "channels_last": lambda: drawn(8, 6, 3, 3).to(memory_format=torch.channels_last),
    "transposed": lambda: drawn(6, 8).t(),
    "one element": lambda: drawn(1, 1, 1, 1),
    "zero": lambda: torch.zeros(4, 3, 3, 3),
    "negative zero": lambda: -torch.zeros(4, 3),
    "one channel zero": lambda: drawn(3, 5) * torch.tensor([[1.0], [0.0], [1.0]]),
    "equal": lambda: torch.full((4, 5), -0.3),
    "huge and tiny": lambda: torch.tensor([[1e30, -1e-30], [1e-40, -3e-45]]),
}
every_weight = pytest.mark.parametrize("weight_name", WEIGHTS)


def same_bits(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a.contiguous().view(torch.int32), b.contiguous().view(torch.int32))


def test_every_dimension_has_a_row_and_one_kind() -> None:
    assert list(ROWS) == list(DIMENSIONS)
    assert sorted(CHANNEL + ACTIVATION + WEIGHT + OPERATOR + UNIT) == sorted(DIMENSIONS)


@pytest.mark.parametrize("name", DIMENSIONS)
def test_says_what_it_is(name: str) -> None:
    dimension = DIMENSIONS[name]
    assert dimension.name == name
    assert dimension.target in ("unit", "group", "layer")
    assert dimension.problem(dimension.neutral) is None
    described = [dimension.describe(value) for value in (dimension.neutral, *ROWS[name].good)]
    assert len(set(described)) == len(described) and all(described)


@every_value
def test_allows_the_value(name: str, value: Any) -> None:
    assert DIMENSIONS[name].problem(value) is None


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in DIMENSIONS for value in ROWS[name].bad])
def test_refuses_and_names_the_value(name: str, value: Any) -> None:
    problem = DIMENSIONS[name].problem(value)
    assert problem is not None and repr(value) in problem and "work" in problem
    with pytest.raises(CandidateError, match=name):
        compress(drawn(4, 4), {name: value})


@every_value
def test_value_survives_a_candidate_as_json(name: str, value: Any) -> None:
    candidate = Candidate({name: {"somewhere": value}})
    again = Candidate.from_json(json.loads(json.dumps(candidate.to_json())))
    assert again == candidate
    restored = again.get(name, "somewhere")
    assert restored == value and type(restored) is type(value)


@every_weight
@pytest.mark.parametrize("name", WEIGHT)
def test_neutral_is_the_weight_itself(name: str, weight_name: str) -> None:
    weight = WEIGHTS[weight_name]()
    values = {name: DIMENSIONS[name].neutral}
    assert compress(weight, values) is weight
    assert same_bits(unpack(pack(weight, values), weight.shape, values), weight)
    assert packed_bytes(weight.numel(), weight.shape[0], values) == 4 * weight.numel()


@every_weight
@weight_values
def test_stored_is_what_is_computed_with(name: str, value: Any, weight_name: str) -> None:
    weight, values = WEIGHTS[weight_name](), {name: value}
    data = pack(weight, values)
    assert packed_bytes(weight.numel(), weight.shape[0], values) == len(data)
    assert same_bits(unpack(data, weight.shape, values), compress(weight, values))


@every_weight
@weight_values
def test_idempotent_and_deterministic(name: str, value: Any, weight_name: str) -> None:
    weight, values = WEIGHTS[weight_name](), {name: value}
    before = weight.clone()
    once = compress(weight, values)
    assert once.isfinite().all()
    assert same_bits(compress(once, values), once)
    assert same_bits(compress(weight.clone(), values), once)
    assert same_bits(weight, before)
    assert pack(once, values) == pack(weight, values) or name in ("codebook", "element_pruning")


@weight_values
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_keeps_dtype_shape_and_device(name: str, value: Any, dtype: torch.dtype) -> None:
    weight = drawn(6, 5, 3, 3).to(dtype)
    compressed = compress(weight, {name: value})
    assert (compressed.dtype, compressed.shape, compressed.device) == (weight.dtype, weight.shape, weight.device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@weight_values
def test_equal_on_a_gpu(name: str, value: Any) -> None:
    weight = drawn(64, 32, 3, 3)
    on_gpu = compress(weight.cuda(), {name: value})
    assert on_gpu.is_cuda and same_bits(on_gpu.cpu(), compress(weight, {name: value}))


@weight_values
def test_gradient_is_straight_through(name: str, value: Any) -> None:
    weight = drawn(6, 5, 3, 3).requires_grad_()
    compressed = compress(weight, {name: value})
    assert not torch.equal(compressed, weight)
    upstream = drawn(6, 5, 3, 3) + 1
    (compressed * upstream).sum().backward()
    assert weight.grad is not None and torch.equal(weight.grad, upstream)
    with torch.inference_mode():
        assert same_bits(compress(weight, {name: value}), compressed.detach())


@weight_values
def test_not_a_number_stays_visible(name: str, value: Any) -> None:
    weight = drawn(8, 5, 3, 3)
    weight[3, 2, 1, 1] = torch.nan
    assert compress(weight, {name: value}).isnan().any()


@pytest.mark.parametrize("name", WEIGHT)
def test_stronger_is_never_larger_nor_nearer(name: str) -> None:
    weight = drawn(64, 32, 3, 3)
    ladder = [{name: value} for value in (DIMENSIONS[name].neutral, *ROWS[name].good)]
    sizes = [packed_bytes(weight.numel(), weight.shape[0], values) for values in ladder]
    errors = [float((compress(weight, values) - weight).square().mean()) for values in ladder]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < sizes[0]
    assert errors == sorted(errors) and errors[0] == 0 < errors[1]


@weight_values
def test_storage_of_many_at_once(name: str, value: Any) -> None:
    numel, channels = np.array([[9, 90], [1728, 7]]), np.array([1, 9])
    found = packed_bytes(numel, channels, {name: value})
    assert isinstance(found, np.ndarray) and found.dtype == np.int64
    expected = [[packed_bytes(int(n), int(c), {name: value}) for n, c in zip(row, channels, strict=True)] for row in numel]
    assert found.tolist() == expected
    # A 0-dimensional array is what a cost model starts from.
    assert int(np.asarray(packed_bytes(np.array(90), np.array(9), {name: value}))) == expected[0][1]


@pytest.mark.parametrize("name", CHANNEL)
def test_neutral_keeps_every_channel(name: str) -> None:
    dimension = DIMENSIONS[name]
    assert isinstance(dimension, ChannelDimension)
    kept = torch.tensor([0, 1, 4, 5])
    assert dimension.count(4, dimension.neutral, 2) == 4
    assert torch.equal(dimension.choose(kept, 4, lambda: pytest.fail("importance is not needed")), kept)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in CHANNEL for value in ROWS[name].good])
@pytest.mark.parametrize("multiple", [1, 2, 8])
def test_channels_counted_and_chosen(name: str, value: Any, multiple: int) -> None:
    dimension = DIMENSIONS[name]
    assert isinstance(dimension, ChannelDimension)
    for size in (24, 32, 64):
        count = dimension.count(size, value, multiple)
        assert type(count) is int and multiple <= count <= size and count % multiple == 0
        importance = torch.rand(size, generator=torch.Generator().manual_seed(size))
        kept = dimension.choose(torch.arange(size), count, lambda scores=importance: scores)
        assert kept.dtype == torch.int64 and len(kept) == count
        assert torch.equal(kept, kept.unique())
    many = dimension.count(np.array([[24, 32], [40, 64]]), value, multiple)
    assert many.tolist() == [[dimension.count(size, value, multiple) for size in row] for row in ((24, 32), (40, 64))]
    assert np.asarray(dimension.count(np.array(32), value, multiple)).shape == ()


@pytest.mark.parametrize("name", CHANNEL)
def test_stronger_keeps_no_more_channels(name: str) -> None:
    dimension = DIMENSIONS[name]
    assert isinstance(dimension, ChannelDimension)
    counts = [dimension.count(32, value, 8) for value in (dimension.neutral, *ROWS[name].good)]
    assert counts == sorted(counts, reverse=True) and counts[-1] < counts[0]


@pytest.mark.parametrize("name", OPERATOR)
def test_operators_are_the_allowed_values(name: str) -> None:
    dimension = DIMENSIONS[name]
    assert isinstance(dimension, OperatorDimension)
    assert set(dimension.operators) == {dimension.neutral, *ROWS[name].good}


@pytest.mark.parametrize("name", UNIT)
def test_only_other_values_than_the_neutral_leave_a_unit_out(name: str) -> None:
    dimension = DIMENSIONS[name]
    assert isinstance(dimension, UnitDimension)
    assert not dimension.skips(dimension.neutral)
    assert any(dimension.skips(value) for value in ROWS[name].good)


@pytest.mark.parametrize("name", ACTIVATION)
def test_neutral_is_the_activation_itself(name: str) -> None:
    dimension = DIMENSIONS[name]
    assert isinstance(dimension, ActivationDimension)
    x = drawn(2, 3, 4, 4)
    assert dimension.apply(x, dimension.neutral) is x


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in ACTIVATION for value in ROWS[name].good])
def test_activation_of_a_sample_is_its_own(name: str, value: Any) -> None:
    dimension = DIMENSIONS[name]
    assert isinstance(dimension, ActivationDimension)
    x = drawn(5, 3, 6, 6) * torch.tensor([0.0, 1e-3, 1.0, 10.0, 1e4])[:, None, None, None]
    x.requires_grad_()
    together = dimension.apply(x, value)
    assert together.shape == x.shape and together.dtype == x.dtype
    for index in range(len(x)):
        assert torch.equal(dimension.apply(x[index : index + 1], value)[0], together[index])
    together.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, torch.ones_like(x))
    with torch.inference_mode():
        assert torch.equal(dimension.apply(x, value), together)
    assert dimension.apply(x.bfloat16(), value).dtype == torch.bfloat16
