"""Widths and filter pruning by arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autogc.compression.filter_pruning import FilterPruning
from autogc.compression.width import Width
from autogc.errors import CandidateError


def no_scores() -> torch.Tensor:
    raise AssertionError("importance is not needed here")


@pytest.mark.parametrize(
    ("available", "ratio", "multiple", "expected"),
    [
        (64, 0.5, 1, 32),
        (10, 0.29, 1, 8),
        (64, 0.3, 8, 48),
        (16, 0.99, 8, 8),
        (3, 0.5, 1, 2),
        (1, 0.9, 1, 1),
        (10, 0.0, 4, 10),
        (10, 0.1, 4, 8),
    ],
)
def test_filters_left(available: int, ratio: float, multiple: int, expected: int) -> None:
    assert FilterPruning().count(available, ratio, multiple) == expected
    assert FilterPruning().count(np.array([available, available]), ratio, multiple).tolist() == [expected, expected]


def test_least_important_filters_go() -> None:
    importance = torch.tensor([5.0, 1.0, 9.0, 1.0, 7.0, 3.0])
    kept = FilterPruning().choose(torch.arange(6), 3, lambda: importance)
    assert kept.tolist() == [0, 2, 4]
    # Scores are indexed by channel of the whole group, also where only some of it is left; of equals the first stays.
    assert FilterPruning().choose(torch.tensor([1, 3, 5]), 2, lambda: importance).tolist() == [1, 5]


def test_importance_with_a_gradient_is_fine() -> None:
    scores = torch.tensor([1.0, 2.0], requires_grad=True)
    assert FilterPruning().choose(torch.arange(2), 1, lambda: scores).tolist() == [1]


def test_width_is_a_prefix() -> None:
    assert Width().choose(torch.tensor([0, 1, 4, 6]), 3, no_scores).tolist() == [0, 1, 4]
    assert Width().count(np.array([64, 32]), 16, 8).tolist() == [16, 16]
    assert Width().count(10, 10, 4) == 10


@pytest.mark.parametrize(
    ("value", "multiple", "message"), [(65, 1, "65 channels of a group that has 64; at most 64 work"), (12, 8, "a multiple of 8 works")]
)
def test_width_that_does_not_fit(value: int, multiple: int, message: str) -> None:
    with pytest.raises(CandidateError, match=message):
        Width().count(64, value, multiple)


@pytest.mark.parametrize("dimension", [Width(), FilterPruning()])
def test_bad_value_is_refused_where_it_is_used(dimension: Width | FilterPruning) -> None:
    with pytest.raises(CandidateError, match="-1"):
        dimension.count(64, -1, 1)
