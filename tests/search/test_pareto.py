from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autogc.errors import AutogcError
from autogc.search.ledger import Evaluation
from autogc.search.pareto import (
    dominated_share,
    front,
    hypervolume,
    knee,
    non_dominated,
    non_dominated_filter,
    non_dominated_pairwise,
    pick,
)
from autogc.supernet import Candidate

# Few different values, so that ties and duplicates are common.
points = st.integers(1, 3).flatmap(
    lambda m: arrays(np.float64, st.tuples(st.integers(0, 30), st.just(m)), elements=st.integers(0, 6).map(float))
)


def evaluation(trial: int, *, state: str = "complete", **values: float) -> Evaluation:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Evaluation(
        trial=trial,
        candidate=Candidate({"width": {"stem": trial + 1}}),
        genotype={"width/stem": trial + 1},
        state=state,  # type: ignore[arg-type]
        reason=None if state == "complete" else "MetricError: fid is nan",
        scores={name: value for name, value in values.items() if name in ("fid", "miou")},
        costs={name: value for name, value in values.items() if name not in ("fid", "miou")},
        provenance={},
        seed=0,
        versions={},
        started=now,
        finished=now,
        worker="here:1",
    )


@settings(deadline=None)
@given(points)
def test_the_two_algorithms_agree_with_each_other_and_with_the_definition(values: np.ndarray) -> None:
    expected = [not any((other <= one).all() and (other < one).any() for other in values) for one in values]
    assert non_dominated_pairwise(values).tolist() == expected
    assert non_dominated_filter(values).tolist() == expected


def test_many_points_go_through_the_filter_and_give_the_same() -> None:
    values = np.random.default_rng(0).random((1500, 3))
    assert (non_dominated(values) == non_dominated_pairwise(values)).all()


def test_a_maximised_objective_is_turned_round() -> None:
    values = np.array([[1.0, 0.5], [2.0, 0.9], [2.0, 0.4]])
    assert non_dominated(values, [True, False]).tolist() == [True, True, False]


@pytest.mark.parametrize("wrong", [np.array([[1.0, math.nan]]), np.array([1.0, 2.0])])
def test_what_has_no_order_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError):
        non_dominated(wrong)


@pytest.mark.parametrize("objectives", [2, 3])
def test_hypervolume_equals_optunas(objectives: int) -> None:
    from optuna._hypervolume import compute_hypervolume

    generator = np.random.default_rng(0)
    for count in (1, 2, 7, 40):
        for _ in range(5):
            values = generator.integers(0, 8, size=(count, objectives)).astype(float)  # ties, duplicates, points beyond the reference
            reference = np.full(objectives, 6.5)
            inside = values[(values < reference).all(axis=1)]
            expected = compute_hypervolume(inside, reference) if len(inside) else 0.0
            assert hypervolume(values, reference) == pytest.approx(expected)


def test_hypervolume_by_hand() -> None:
    assert hypervolume(np.array([[1.0, 3.0], [2.0, 1.0]]), np.array([4.0, 4.0])) == 3 * 1 + 2 * 2
    assert hypervolume(np.array([[1.0, 1.0, 1.0], [0.0, 1.5, 1.5]]), np.array([2.0, 2.0, 2.0])) == 1 + 2 * 0.25 - 0.25
    assert hypervolume(np.empty((0, 2)), np.array([1.0, 1.0])) == 0
    with pytest.raises(ValueError, match="hypervolume takes"):
        hypervolume(np.ones((2, 4)), np.ones(4))


def test_the_knee_bends_most() -> None:
    assert knee(np.array([[0.0, 100.0], [1.0, 20.0], [10.0, 10.0], [50.0, 0.0]])) == 1
    assert knee(np.array([[3.0, 3.0]])) == 0


def test_the_front_leaves_out_what_failed_or_is_over_a_limit() -> None:
    evaluations = [
        evaluation(0, fid=10.0, macs=100.0),
        evaluation(1, fid=20.0, macs=50.0),
        evaluation(2, fid=30.0, macs=60.0),
        evaluation(3, state="failed", macs=1.0),
        evaluation(4, fid=1.0, macs=400.0),
    ]
    assert [one.trial for one in front(evaluations, ("fid", "macs"))] == [0, 1, 4]
    assert [one.trial for one in front(evaluations, ("fid", "macs"), {"macs": 300})] == [0, 1]
    assert [
        one.trial for one in front([replace(evaluations[0], scores={"miou": 0.5}), evaluation(1, miou=0.6, macs=99.0)], ("miou", "macs"))
    ] == [1]


def test_picks() -> None:
    evaluations = [evaluation(k, fid=fid, macs=macs) for k, (fid, macs) in enumerate([(10, 100), (12, 30), (50, 10), (60, 90)])]
    objectives = ("fid", "macs")
    assert pick(evaluations, objectives).trial == 1
    assert pick(evaluations, objectives, "best").trial == 0
    assert pick(evaluations, objectives, "smallest").trial == 2
    assert pick(evaluations, objectives, "best", constraints={"macs": 50}).trial == 1
    off_front = evaluations[3]
    assert pick(evaluations, objectives, off_front.candidate.hash[:7]) is off_front


def test_what_cannot_be_picked_says_what_can() -> None:
    evaluations = [evaluation(k, fid=10.0 + k, macs=100.0) for k in range(40)] + [evaluation(99, state="failed")]
    with pytest.raises(AutogcError, match=r"use knee, best, smallest or a hash \([0-9a-f]{16}"):
        pick(evaluations, ("fid", "macs"), "kne")
    shared = next(digit for digit in "0123456789abcdef" if sum(one.candidate.hash.startswith(digit) for one in evaluations[:40]) > 1)
    with pytest.raises(AutogcError, match="give more digits"):
        pick(evaluations, ("fid", "macs"), shared)
    with pytest.raises(AutogcError, match="was not scored: MetricError: fid is nan"):
        pick(evaluations[-1:], ("fid", "macs"), evaluations[-1].candidate.hash[:6])
    with pytest.raises(AutogcError, match="none of them meets macs at most 5"):
        pick(evaluations, ("fid", "macs"), "knee", constraints={"macs": 5})


def test_the_dominated_share_is_a_share() -> None:
    evaluations = [evaluation(0, fid=0.0, macs=10.0), evaluation(1, fid=10.0, macs=0.0), evaluation(2, fid=5.0, macs=5.0)]
    assert dominated_share(evaluations, ("fid", "macs")) == pytest.approx(0.25)
    assert dominated_share(evaluations[:1], ("fid", "macs")) == 0
    assert dominated_share([], ("fid", "macs")) == 0
