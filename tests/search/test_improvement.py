from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
from botorch.utils.multi_objective.box_decompositions.non_dominated import NondominatedPartitioning
from botorch.utils.testing import MockModel, MockPosterior
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autogc.search.improvement import expected_hypervolume_improvement, expected_improvement, free_boxes
from autogc.search.pareto import hypervolume

# Coarse numbers, so that ties and points at the reference come up.
COARSE = st.integers(0, 10).map(lambda tenths: tenths / 10)


def fronts(objectives: int) -> st.SearchStrategy[np.ndarray]:
    return st.integers(0, 9).flatmap(lambda count: arrays(np.float64, (count, objectives), elements=COARSE))


def volume(points: np.ndarray, reference: np.ndarray) -> float:
    if points.shape[1] == 1:
        return float(max(0.0, (reference[0] - points[:, 0]).max(initial=0.0)))
    return hypervolume(points, reference)


@pytest.mark.parametrize("objectives", [1, 2, 3])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_boxes_are_disjoint_and_hold_what_the_front_leaves(objectives: int, data: st.DataObject) -> None:
    front = data.draw(fronts(objectives))
    lower, upper = free_boxes(front, np.ones(objectives))
    points = np.random.default_rng(0).uniform(-0.5, 1.0, size=(400, objectives))
    inside = ((lower[None] <= points[:, None]) & (points[:, None] < upper[None])).all(axis=2).sum(axis=1)
    dominated = (front[None] <= points[:, None]).all(axis=2).any(axis=1) if len(front) else np.zeros(len(points), dtype=bool)
    assert (inside == ~dominated).all()


@pytest.mark.parametrize("objectives", [1, 2, 3])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_known_improves_by_the_difference_of_hypervolumes(objectives: int, data: st.DataObject) -> None:
    front, points = data.draw(fronts(objectives)), data.draw(fronts(objectives))
    reference = np.ones(objectives)
    found = expected_hypervolume_improvement(points, np.zeros_like(points), free_boxes(front, reference))
    before = volume(front, reference)
    assert found == pytest.approx([volume(np.vstack([front, point]), reference) - before for point in points], abs=1e-12)


@pytest.mark.parametrize(("objectives", "modelled"), [(1, (0,)), (2, (0,)), (2, (1,)), (2, (0, 1)), (3, (1,)), (3, (0, 2)), (3, (0, 1, 2))])
def test_the_expectation_is_that_of_many_draws(objectives: int, modelled: tuple[int, ...]) -> None:
    draws = np.random.default_rng([objectives, *modelled])
    reference = np.ones(objectives)
    for members in (0, 1, 6):
        front = draws.uniform(0.2, 0.9, size=(members, objectives))
        mean = draws.uniform(0.0, 1.1, size=(3, objectives))
        deviation = np.zeros_like(mean)
        deviation[:, modelled] = draws.uniform(0.05, 0.4, size=(3, len(modelled)))
        found = expected_hypervolume_improvement(mean, deviation, free_boxes(front, reference))
        before = volume(front, reference)
        for at, apart, value in zip(mean, deviation, found, strict=True):
            drawn = at + apart * draws.standard_normal((4000, objectives))
            gains = [volume(np.vstack([front, point]), reference) - before for point in drawn]
            assert value == pytest.approx(np.mean(gains), abs=5 * np.std(gains) / np.sqrt(len(gains)) + 1e-12)


@pytest.mark.parametrize("objectives", [2, 3])
def test_botorch_says_the_same(objectives: int) -> None:
    draws = np.random.default_rng(objectives)
    reference = np.ones(objectives)
    for members in (0, 1, 8):
        front = draws.uniform(0.0, 1.1, size=(members, objectives))
        mean, deviation = draws.uniform(-0.2, 1.2, size=(20, objectives)), draws.uniform(0.01, 0.5, size=(20, objectives))
        # BoTorch maximises.
        partitioning = NondominatedPartitioning(ref_point=torch.tensor(-reference), Y=torch.tensor(-front).reshape(-1, objectives))
        posterior = MockPosterior(mean=torch.tensor(-mean)[:, None], variance=torch.tensor(deviation**2)[:, None])
        theirs = ExpectedHypervolumeImprovement(MockModel(posterior), ref_point=(-reference).tolist(), partitioning=partitioning)
        found = expected_hypervolume_improvement(mean, deviation, free_boxes(front, reference))
        assert found == pytest.approx(theirs(torch.zeros(20, 1, objectives, dtype=torch.float64)).numpy(), rel=1e-6, abs=1e-12)


def test_one_known_and_one_modelled_is_a_sum_over_the_segments_of_the_cost_axis() -> None:
    front = np.array([[0.2, 0.8], [0.5, 0.4], [0.7, 0.1]])
    mean, deviation = np.array([[0.4, 0.3]]), np.array([[0.0, 0.2]])
    improvement = [float(expected_improvement(np.array(quality), np.array(0.3), np.array(0.2))) for quality in (0.8, 0.4, 0.1)]
    by_hand = 0.1 * improvement[0] + 0.2 * improvement[1] + 0.3 * improvement[2]
    found = expected_hypervolume_improvement(mean, deviation, free_boxes(front, np.ones(2)))
    assert found[0] == pytest.approx(by_hand, rel=1e-12)


def test_more_than_three_objectives_are_refused() -> None:
    with pytest.raises(ValueError, match="one, two or three objectives, got 4"):
        free_boxes(np.zeros((1, 4)), np.ones(4))
