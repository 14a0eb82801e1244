from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import OptimizeResult, approx_fprime

from autogc.search import gaussian_process
from autogc.search.gaussian_process import GaussianProcess, Inputs, Structure

SIZES = np.array([3, 4, 2, 3, 4])
CATEGORICAL = np.array([False, False, True, False, True])
STRUCTURE = Structure(CATEGORICAL, np.repeat(np.arange(len(SIZES)), SIZES))


def rows_of(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, SIZES, size=(count, len(SIZES)))


def inputs_of(rows: np.ndarray, task: np.ndarray | int = 0) -> Inputs:
    levels = np.zeros((len(rows), int(SIZES.sum())))
    levels[np.arange(len(rows))[:, None], np.concatenate([[0], np.cumsum(SIZES)[:-1]]) + rows] = 1
    sizes = (rows / SIZES).sum(axis=1, keepdims=True) - 1.5
    return Inputs(np.where(CATEGORICAL, rows, rows / (SIZES - 1)), levels, sizes, np.broadcast_to(np.asarray(task), (len(rows),)).copy())


def kernel_by_hand(one: Inputs, other: Inputs, theta: np.ndarray) -> np.ndarray:
    """The covariance between candidates, pair by pair."""
    linear, single, joint, _ = np.exp(theta[:4])
    lengths, shared = np.exp(theta[4:9]), 1 / (1 + np.exp(-theta[9:]))
    found = np.zeros((len(one), len(other)))
    for i in range(len(one)):
        for j in range(len(other)):
            apart = one.place[i] - other.place[j]
            apart[CATEGORICAL] = apart[CATEGORICAL] != 0
            distance = np.sqrt(5 * ((apart / lengths) ** 2).sum())
            value = 1 + linear * one.sizes[i] @ other.sizes[j] / one.sizes.shape[1] + single * one.levels[i] @ other.levels[j] / len(SIZES)
            value += joint * (1 + distance + distance**2 / 3) * np.exp(-distance)
            first, second = one.task[i], other.task[j]
            if first == second:
                value += 1.0 if first else 0.0
            else:
                value *= np.prod([shared[task - 1] for task in (first, second) if task])
            found[i, j] = value
    return found


@pytest.mark.parametrize("tasks", [0, 2])
def test_predictions_are_those_of_the_textbook(tasks: int) -> None:
    draws = np.random.default_rng(tasks)
    told, asked = inputs_of(rows_of(25, 1), draws.integers(0, tasks + 1, 25)), inputs_of(rows_of(10, 2))
    values, noise = draws.normal(size=25), draws.uniform(0, 0.1, 25)
    process = GaussianProcess(told, values, structure=STRUCTURE, tasks=tasks, noise=noise)
    theta = process.hyperparameters
    covariance = kernel_by_hand(told, told, theta) + np.diag(np.exp(theta[3]) + noise + 1e-8)
    across = kernel_by_hand(asked, told, theta)
    mean, deviation = process.predict(asked)
    assert mean == pytest.approx(across @ np.linalg.solve(covariance, values), abs=1e-6)
    whole = kernel_by_hand(asked, asked, theta) - across @ np.linalg.solve(covariance, across.T)
    assert deviation == pytest.approx(np.sqrt(np.diag(whole)), abs=1e-6)
    assert process.mean(asked) == pytest.approx(mean, abs=1e-9)
    pairs = process.covariance(asked[np.arange(5)], asked[np.arange(5, 10)])
    assert pairs == pytest.approx(whole[np.arange(5), np.arange(5, 10)], abs=1e-6)


def test_the_slope_of_the_likelihood_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, Callable[[np.ndarray], tuple[float, np.ndarray]]] = {}

    def minimise(objective: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, **options: object) -> OptimizeResult:
        kept["objective"] = objective
        return OptimizeResult(x=start, fun=0.0)

    monkeypatch.setattr(gaussian_process, "minimize", minimise)
    draws = np.random.default_rng(0)
    inputs = inputs_of(rows_of(20, 0), draws.integers(0, 3, 20))
    process = GaussianProcess(inputs, draws.normal(size=20), structure=STRUCTURE, tasks=2)
    at = process.hyperparameters + 0.3 * draws.standard_normal(len(process.hyperparameters))
    slope = kept["objective"](at)[1]
    assert slope == pytest.approx(approx_fprime(at, lambda theta: kept["objective"](theta)[0], 1e-6), rel=1e-3, abs=1e-3)


def additive(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows[:, 0] + 0.5 * rows[:, 3] ** 2 - 2.0 * (rows[:, 4] == 2) - 3.0)


def test_it_learns_what_each_decision_does_and_the_noise() -> None:
    told, asked = rows_of(60, 0), rows_of(80, 1)
    noise = 0.2 * np.random.default_rng(2).standard_normal(60)
    process = GaussianProcess(inputs_of(told), additive(told) + noise, structure=STRUCTURE)
    mean, deviation = process.predict(inputs_of(asked))
    assert np.sqrt(((mean - additive(asked)) ** 2).mean()) < 0.15
    assert (np.abs(mean - additive(asked)) < 3 * deviation + 0.1).mean() > 0.95
    assert 0.1 < np.sqrt(process.noise) < 0.35


def test_another_task_teaches_but_for_its_offset() -> None:
    few, many, asked = rows_of(8, 0), rows_of(60, 1), rows_of(80, 2)
    alone = GaussianProcess(inputs_of(few), additive(few), structure=STRUCTURE)
    inputs = inputs_of(few).joined(inputs_of(many, task=1))
    taught = GaussianProcess(inputs, np.concatenate([additive(few), 2.0 + additive(many)]), structure=STRUCTURE, tasks=1)

    def error(process: GaussianProcess) -> float:
        return float(np.sqrt(((process.mean(inputs_of(asked)) - additive(asked)) ** 2).mean()))

    assert error(taught) < 0.4 * error(alone)
    unlike = np.concatenate([additive(few), np.random.default_rng(3).normal(size=60)])
    misled = GaussianProcess(inputs, unlike, structure=STRUCTURE, tasks=1)
    assert misled.shared[0] < taught.shared[0] and error(misled) < 1.3 * error(alone)


def test_told_of_more_it_is_surer_there() -> None:
    rows = rows_of(20, 0)
    process = GaussianProcess(inputs_of(rows), additive(rows), structure=STRUCTURE)
    new = inputs_of(np.array([[2, 3, 1, 2, 3]]))
    mean, deviation = process.predict(new)
    after = process.told(new, mean)
    assert after.predict(new)[0] == pytest.approx(mean, abs=1e-3) and after.predict(new)[1] < 0.5 * deviation + 1e-3
