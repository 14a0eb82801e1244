from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogc.search.warp import Warp


@given(st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=1, max_size=30))
def test_the_order_is_kept_and_the_way_back_is_known(values: list[float]) -> None:
    given_values = np.array(values)
    warp = Warp(given_values)
    warped = warp(given_values)
    assert np.isfinite(warped).all()
    order = np.argsort(given_values, kind="stable")
    assert (np.diff(warped[order]) >= -1e-12).all()
    assert warp.inverse(warped) == pytest.approx(given_values, rel=1e-6, abs=1e-6 * np.abs(given_values).max(initial=0.0) + 1e-9)


def test_broken_candidates_do_not_set_the_scale() -> None:
    draws = np.random.default_rng(0)
    values = np.concatenate([draws.normal(20.0, 1.0, size=40), [300.0, 450.0, 500.0]])
    warped = Warp(values)(values)
    assert warped.mean() == pytest.approx(0, abs=1e-9) and warped.std() == pytest.approx(1)
    assert np.ptp(warped[:40]) > 1.5 and warped.max() < 6


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_skewed_is_modelled_by_its_logarithm(sign: int) -> None:
    values = np.sort(sign * np.exp(np.random.default_rng(0).normal(0, 1.5, size=41)))
    steps = np.diff(Warp(values)(values))
    logarithms = np.diff(sign * np.log(sign * values))
    assert np.std(steps[:20] / logarithms[:20]) < 1e-6


def test_what_was_not_seen_stays_a_number_in_order() -> None:
    # A KID of few images may be below zero where all others have a logarithm; a limit may be far from all that was reached.
    for seen in (np.array([0.1, 0.5, 3.0, 20.0]), -np.array([0.1, 0.5, 3.0, 20.0])):
        warp = Warp(seen)
        others = np.array([-1e6, -1.0, 0.0, 1.0, 1e6])
        warped = warp(others)
        assert np.isfinite(warped).all() and np.abs(warped).max() < 30 and (np.diff(warped) >= 0).all()
    linear = Warp(np.array([0.2, 0.5, 3.0]), linear=True)
    assert linear(np.array([0.1])) - linear(np.array([0.0])) == pytest.approx(linear(np.array([0.3])) - linear(np.array([0.2])))


def test_equal_scores_have_no_spread_to_divide_by() -> None:
    for value in (0.1, -0.1, 0.0, 1e-12, 1e12):
        warp = Warp(np.full(3, value))
        assert np.isfinite(warp(np.array([value / 2 - 0.01, value * 2 + 0.01]))).all() and warp(np.array([value])) == pytest.approx(0)
