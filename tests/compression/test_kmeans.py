"""One-dimensional k-means against scikit-learn's, and against the exact optimum where that can be had."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from torch import Tensor

from autogc.compression import kmeans

singles = st.floats(-1e3, 1e3, width=32)


def samples(name: str, count: int = 4000) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    normal = torch.randn(count, generator=generator)
    if name == "normal":
        return normal * 0.02
    if name == "heavy tails":
        return torch.distributions.Laplace(0.0, 0.02).icdf(torch.rand(count, generator=generator) * 0.999 + 5e-4)
    if name == "half zero":
        return normal * (torch.rand(count, generator=generator) > 0.5)
    if name == "two modes":
        return torch.where(torch.arange(count) % 2 == 0, normal * 0.01 + 1, normal * 0.05 - 1)
    return torch.cat([normal[10:] * 0.01, normal[:10] * 3])  # outliers


def mean_squared_error(values: Tensor, centroids: Tensor) -> float:
    return float((values[:, None].double() - centroids.double()).abs().amin(dim=1).square().mean())


@pytest.mark.parametrize("entries", [2, 8, 64])
@pytest.mark.parametrize("name", ["normal", "heavy tails", "half zero", "two modes", "outliers"])
def test_as_good_as_scikit_learn(name: str, entries: int) -> None:
    values = samples(name)
    reference = KMeans(entries, n_init=3, random_state=0).fit(values.numpy()[:, None]).inertia_ / len(values)
    assert mean_squared_error(values, kmeans.fit(values, entries)) <= 1.04 * reference


def test_near_the_optimum_of_a_small_problem() -> None:
    values = torch.tensor([0.0, 0.1, 0.2, 1.0, 1.1, 5.0, 5.5, 5.6, 9.0, 9.1])
    best = min(
        sum(float(((part := values[a:b]) - part.mean()).square().sum()) for a, b in itertools.pairwise((0, *cuts, len(values))))
        for cuts in itertools.combinations(range(1, len(values)), 3)
    )
    centroids = kmeans.fit(values[torch.randperm(10, generator=torch.Generator().manual_seed(0))], 4)
    assert mean_squared_error(values, centroids) * len(values) == pytest.approx(best, rel=1e-5)


@given(st.lists(singles, min_size=1, max_size=60), st.integers(2, 40))
@settings(max_examples=150, deadline=None)
def test_exact_where_the_values_are_few(values: list[float], entries: int) -> None:
    tensor = torch.tensor(values) + 0.0
    centroids = kmeans.fit(tensor, entries)
    assert centroids.shape == (entries,) and centroids.dtype == torch.float32
    assert torch.equal(centroids, centroids.sort().values)
    # Means are as exact as the integers that values are summed as: 2^-40 or so of the largest, and then float32.
    slack = float(tensor.abs().max()) * 1e-6
    assert tensor.min() - slack <= centroids.min() and centroids.max() <= tensor.max() + slack
    assigned = centroids[kmeans.assign(tensor, centroids)]
    if len(set(tensor.tolist())) <= entries:
        assert torch.equal(assigned, tensor)
    assert torch.equal(kmeans.fit(assigned, entries)[kmeans.assign(assigned, kmeans.fit(assigned, entries))], assigned)


@given(st.lists(singles, min_size=1, max_size=40), st.lists(singles, min_size=2, max_size=20))
def test_assigned_to_the_nearest(values: list[float], centroids: list[float]) -> None:
    ordered = sorted(centroids)
    for value, code in zip(values, kmeans.assign(torch.tensor(values), torch.tensor(ordered)).tolist(), strict=True):
        assert abs(value - ordered[code]) == min(abs(value - centroid) for centroid in ordered)


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_neighbouring_floats_are_told_apart(scale: float) -> None:
    low = np.float32(scale)
    pair = torch.from_numpy(np.array([low, np.nextafter(low, np.float32(np.inf))]))
    assert kmeans.assign(pair, pair).tolist() == [0, 1]


@pytest.mark.parametrize("name", ["normal", "half zero", "two modes", "outliers"])
@pytest.mark.parametrize("entries", [2, 16, 300])
def test_table_assigns_as_binary_search_does(name: str, entries: int) -> None:
    values = samples(name, count=kmeans.TABLE_CELLS + 5)
    centroids = kmeans.fit(values, entries)
    expected = torch.bucketize(values, kmeans.boundaries(centroids), out_int32=True)
    codes = kmeans.assign(values, centroids)
    assert codes.dtype == torch.int32 and torch.equal(codes, expected)


def test_table_holds_at_the_ends_and_with_one_value() -> None:
    same = torch.full((kmeans.TABLE_CELLS,), 0.25)
    assert kmeans.assign(same, torch.tensor([0.0, 0.25, 1.0])).unique().tolist() == [1]
    line = torch.linspace(-1, 1, 2 * kmeans.TABLE_CELLS)
    outside = torch.tensor([-9.0, -1.0, 1.0, 9.0])
    assert torch.equal(kmeans.assign(line, outside), torch.where(line <= 0, 1, 2))
