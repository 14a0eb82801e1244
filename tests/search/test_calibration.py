"""Which inputs running statistics are taken over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from autogc.config.experiment import SearchConfig
from autogc.data import DATASETS, Dataset, training_batches
from autogc.search import calibration_batches


@pytest.fixture(scope="module")
def data() -> Dataset:
    return DATASETS.build("streets", {"train": 11, "validation": 2, "test": 2, "height": 32, "width": 32}, seed=0)


def settings(*, images: int, batch_size: int, seed: int = 0) -> Any:
    return SimpleNamespace(seed=seed, supernet=SimpleNamespace(calibration_images=images), search=SearchConfig(batch_size=batch_size))


KEEPING: Any = SimpleNamespace(has_statistics=True)


@pytest.mark.parametrize(("images", "batch_size", "sizes"), [(128, 4, [4, 4, 4]), (9, 8, [5, 5]), (8, 8, [8]), (3, 16, [3]), (1, 4, [1])])
def test_batches_are_even_and_no_larger_than_the_searchs(data: Dataset, images: int, batch_size: int, sizes: list[int]) -> None:
    assert [len(batch) for batch in calibration_batches(settings(images=images, batch_size=batch_size), data, KEEPING)] == sizes


def test_they_are_what_training_draws_first_and_always_the_same(data: Dataset) -> None:
    first = calibration_batches(settings(images=8, batch_size=4), data, KEEPING)
    again = calibration_batches(settings(images=8, batch_size=4), data, KEEPING)
    drawn = training_batches(data.train, 4, seed=0)
    assert all(torch.equal(one, other) and torch.equal(one, next(drawn).input) for one, other in zip(first, again, strict=True))
    other_seed = calibration_batches(settings(images=8, batch_size=4, seed=1), data, KEEPING)
    assert not torch.equal(first[0], other_seed[0])


def test_without_statistics_no_data_is_touched() -> None:
    nothing: Any = None
    assert calibration_batches(nothing, nothing, SimpleNamespace(has_statistics=False)) == ()  # type: ignore[arg-type]
