"""A Gaussian process over the decisions of a space, for one score.

The score is a constant, a part that sizes and costs explain linearly, a part for every value of every decision, and what decisions do
together: a Matern 5/2 kernel with a length scale for each decision. Ordered decisions lie evenly in [0, 1], two values of a category are
1 apart. The hyperparameters are the most probable ones given priors; the length scales' grows with the number of decisions (Hvarfner,
Hellsten and Nardi, Vanilla Bayesian optimization performs great in high dimensions, ICML 2024).

Scores that are like the one that is wanted (of fewer images, of another data set's candidates) are further tasks: each shares a part of
what the score is, and has an offset of its own (Bonilla, Chai and Williams, Multi-task Gaussian process prediction, NIPS 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

ROOT5 = float(np.sqrt(5.0))
JITTER = 1e-8
# Log-normal priors: the variances of the linear part, of single values, of interactions, of the noise.
VARIANCE_MEAN, VARIANCE_SPREAD = np.log(np.array([0.5, 0.1, 0.3, 1e-2])), np.array([1.0, 1.0, 1.0, 1.5])
BOUNDS = np.log(np.array([[1e-3, 1e2], [1e-4, 1e2], [1e-3, 1e2], [1e-6, 1.0]]))
# Variances and length scales that a fit starts from.
STARTS = (
    (np.array([0.1, 0.05, 1.0, 1e-2]), 2.0),
    (np.array([0.5, 0.1, 0.3, 1e-3]), 10.0),
    (np.array([0.05, 0.01, 1.0, 1e-2]), 0.5),
)
LENGTH_SPREAD = float(np.sqrt(3.0))
# Of each other task: the logit of what it shares, and the variance of its offset.
SHARED_MEAN, SHARED_SPREAD, SHARED_BOUNDS, OFFSET = 2.5, 1.5, (-5.0, 7.0), 1.0
LENGTH_BOUNDS = np.log(np.array([0.05, 1e3]))


@dataclass(frozen=True)
class Structure:
    """What the columns of ``Inputs`` mean.

    ``categorical`` (D,) says which decisions are categories, ``owner`` (L,) the decision of each level.
    """

    categorical: np.ndarray
    owner: np.ndarray

    @property
    def decisions(self) -> int:
        """How many decisions there are, D."""
        return len(self.categorical)


@dataclass(frozen=True)
class Inputs:
    """Candidates as the process sees them, N of them.

    ``place`` (N, D) is where each decision's value lies, ``levels`` (N, L) 0 or 1 for each value of each decision, ``sizes`` (N, S) are
    standardised; ``task`` (N,) is 0 for the score itself, and 1, 2, ... for others that are like it.
    """

    place: np.ndarray
    levels: np.ndarray
    sizes: np.ndarray
    task: np.ndarray

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, which: np.ndarray | slice) -> Inputs:
        return Inputs(*(getattr(self, name)[which] for name in FIELDS))

    def joined(self, other: Inputs) -> Inputs:
        """Return these inputs and then the other ones."""
        return Inputs(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in FIELDS))

    def of_task(self, task: int) -> Inputs:
        """Return the same candidates, to be scored as another task does."""
        return replace(self, task=np.full(len(self), task))


FIELDS = tuple(field.name for field in fields(Inputs))


class GaussianProcess:
    """Fitted to ``values`` (N,), whose mean should be near 0 and deviation near 1, at ``inputs``, of which ``tasks`` are other tasks.

    ``noise`` (N,) is a variance that is known of each value, added to the one that is estimated. ``start`` are another fit's
    ``hyperparameters``, to start from; ``steps`` the most steps of L-BFGS, 0 for none.
    """

    def __init__(
        self,
        inputs: Inputs,
        values: np.ndarray,
        *,
        structure: Structure,
        tasks: int = 0,
        noise: np.ndarray | None = None,
        start: np.ndarray | None = None,
        steps: int = 50,
    ) -> None:
        self._inputs = inputs
        self._structure = structure
        self._known_noise = np.zeros(len(values)) if noise is None else noise
        dimensions = structure.decisions
        self._length_mean = np.sqrt(2.0) + 0.5 * np.log(dimensions)
        starts = [] if start is None else [start]
        if steps:
            # The likelihood has several peaks while values are few: one where sizes explain them, others where decisions do.
            starts += [
                np.concatenate([np.log(variances), np.full(dimensions, np.log(length)), np.full(tasks, SHARED_MEAN)])
                for variances, length in STARTS[: 1 if starts else None]
            ]
        self.hyperparameters = self._fitted(values, starts, steps) if steps else starts[0]
        covariance = self._covariance(inputs, inputs)
        covariance[np.diag_indices(len(values))] += self._noise(self.hyperparameters)
        self._factor = _factored(covariance)
        self._weights = cho_solve((self._factor, True), values)
        self._values = values

    @property
    def length_scales(self) -> np.ndarray:
        """The length scale of each decision (D,): the longer, the less it interacts."""
        return np.asarray(np.exp(self.hyperparameters[4 : 4 + self._structure.decisions]))

    @property
    def shared(self) -> np.ndarray:
        """What each other task shares with the score (tasks,), in (0, 1): 1 is all."""
        return _logistic(self.hyperparameters[4 + self._structure.decisions :])

    @property
    def noise(self) -> float:
        """The estimated variance of the noise."""
        return float(np.exp(self.hyperparameters[3]))

    def predict(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the deviation of the score without noise at ``inputs``, each (N,)."""
        across = self._covariance(inputs, self._inputs)
        mean = across @ self._weights
        explained = solve_triangular(self._factor, across.T, lower=True, check_finite=False)
        variance = self._prior_variance(inputs) - np.einsum("ij,ij->j", explained, explained)
        return mean, np.sqrt(np.maximum(variance, 1e-12))

    def mean(self, inputs: Inputs) -> np.ndarray:
        """Return the mean alone, (N,)."""
        return np.asarray(self._covariance(inputs, self._inputs) @ self._weights)

    def covariance(self, one: Inputs, other: Inputs) -> np.ndarray:
        """Return the covariance of the score without noise at pairs of ``one`` (N) and ``other`` (N), given what was fitted: (N,)."""
        left, right = (
            solve_triangular(self._factor, self._covariance(inputs, self._inputs).T, lower=True, check_finite=False)
            for inputs in (one, other)
        )
        prior = np.array([self._covariance(one[index : index + 1], other[index : index + 1])[0, 0] for index in range(len(one))])
        return np.asarray(prior - np.einsum("ij,ij->j", left, right))

    def told(self, inputs: Inputs, values: np.ndarray) -> GaussianProcess:
        """Return the process that was told of more values, with the same hyperparameters."""
        return GaussianProcess(
            self._inputs.joined(inputs),
            np.concatenate([self._values, values]),
            structure=self._structure,
            noise=np.concatenate([self._known_noise, np.zeros(len(values))]),
            start=self.hyperparameters,
            steps=0,
        )

    def _noise(self, hyperparameters: np.ndarray) -> np.ndarray:
        return np.exp(hyperparameters[3]) + self._known_noise + JITTER

    def _prior_variance(self, inputs: Inputs) -> np.ndarray:
        linear, single, joint, _ = np.exp(self.hyperparameters[:4])
        sizes = np.einsum("ij,ij->i", inputs.sizes, inputs.sizes) / inputs.sizes.shape[1]
        return np.asarray(1.0 + linear * sizes + single + joint + OFFSET * (inputs.task > 0))

    def _covariance(self, one: Inputs, other: Inputs) -> np.ndarray:
        linear, single, joint, _ = np.exp(self.hyperparameters[:4])
        found = 1.0 + (linear / one.sizes.shape[1]) * (one.sizes @ other.sizes.T)
        found += (single / one.place.shape[1]) * (one.levels @ other.levels.T)
        distance = ROOT5 * np.sqrt(self._squared(one, other))
        found += joint * (1.0 + distance + distance**2 / 3.0) * np.exp(-distance)
        if one.task.any() or other.task.any():
            found *= _sharing(one.task, other.task, self.shared)
            found += OFFSET * ((one.task[:, None] == other.task[None]) & (one.task > 0)[:, None])
        return np.asarray(found)

    def _squared(self, one: Inputs, other: Inputs) -> np.ndarray:
        """Return the squared scaled distances, by matrix products: categories by which of their values are shared."""
        weight = self.length_scales**-2.0
        left, right = (_spread(part, self._structure, weight) for part in (one, other))
        squared = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None] - 2.0 * left @ right.T
        return np.maximum(squared, 0.0)

    def _fitted(self, values: np.ndarray, starts: Sequence[np.ndarray], steps: int) -> np.ndarray:
        """Return the most probable hyperparameters: the logarithms of the variances and of the length scales, the logits of the tasks."""
        start = starts[0]
        inputs, count, structure = self._inputs, len(values), self._structure
        apart = np.abs(inputs.place[:, None] - inputs.place[None])
        apart[:, :, structure.categorical] = apart[:, :, structure.categorical] > 0
        apart = np.ascontiguousarray((apart**2).reshape(count * count, -1).T)  # (D, N N)
        sizes = inputs.sizes @ inputs.sizes.T / inputs.sizes.shape[1]
        levels = inputs.levels @ inputs.levels.T / structure.decisions
        lengths = slice(4, 4 + structure.decisions)
        others = range(1, 1 + len(start) - lengths.stop)
        different = inputs.task[:, None] != inputs.task[None]
        offset = OFFSET * (~different & (inputs.task > 0)[:, None])
        crossing = [different & ((inputs.task == task)[:, None] | (inputs.task == task)[None]) for task in others]
        mean = np.concatenate([VARIANCE_MEAN, np.full(structure.decisions, self._length_mean), np.full(len(others), SHARED_MEAN)])
        spread = np.concatenate([VARIANCE_SPREAD, np.full(structure.decisions, LENGTH_SPREAD), np.full(len(others), SHARED_SPREAD)])

        def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
            linear, single, joint, noise = np.exp(theta[:4])
            weight = np.exp(-2.0 * theta[lengths])
            distance = ROOT5 * np.sqrt(weight @ apart).reshape(count, count)
            decay = np.exp(-distance)
            matern = (1.0 + distance + distance**2 / 3.0) * decay
            common = 1.0 + linear * sizes + single * levels + joint * matern
            sharing = _sharing(inputs.task, inputs.task, _logistic(theta[lengths.stop :])) if others else 1.0
            covariance = sharing * common + offset
            covariance[np.diag_indices(count)] += self._noise(theta)
            try:
                factor = cho_factor(covariance, lower=True, check_finite=False)
            except np.linalg.LinAlgError:
                return 1e10, np.zeros_like(theta)
            inverse = cho_solve(factor, np.eye(count), check_finite=False)
            solved = inverse @ values
            away = (theta - mean) / spread
            loss = 0.5 * values @ solved + np.log(np.diag(factor[0])).sum() + 0.5 * (away**2).sum()
            slope = 0.5 * (inverse - np.outer(solved, solved))
            gradient = away / spread
            gradient[3] += noise * np.trace(slope)
            slope = slope * sharing
            gradient[0] += linear * (slope * sizes).sum()
            gradient[1] += single * (slope * levels).sum()
            gradient[2] += joint * (slope * matern).sum()
            # d matern / d log(length): 5/3 (1 + distance) exp(-distance) times the squared scaled difference.
            pulled = slope * (joint * (5.0 / 3.0) * (1.0 + distance) * decay)
            gradient[lengths] += weight * (apart @ pulled.reshape(-1))
            for index, crosses in enumerate(crossing):
                lost = 1.0 - _logistic(theta[lengths.stop + index])
                gradient[lengths.stop + index] += lost * (slope * common)[crosses].sum()
            return float(loss), gradient

        bounds = [*map(tuple, BOUNDS), *[tuple(LENGTH_BOUNDS)] * structure.decisions, *[SHARED_BOUNDS] * len(others)]
        found = [minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps}) for start in starts]
        return np.asarray(min(found, key=lambda one: one.fun).x)


def _factored(covariance: np.ndarray) -> np.ndarray:
    """Return the lower Cholesky factor, of as little more noise as rounding asks for."""
    jitter = 0.0
    while True:
        try:
            return np.asarray(np.linalg.cholesky(covariance + jitter * np.eye(len(covariance))))
        except np.linalg.LinAlgError:
            jitter = max(10.0 * jitter, JITTER * float(np.diag(covariance).max()))


def _logistic(logits: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def _sharing(one: np.ndarray, other: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Return the share of the score that tasks ``one`` (N,) and ``other`` (K,) have in common, (N, K)."""
    parts = np.concatenate([[1.0], shared])
    return np.where(one[:, None] == other[None], 1.0, parts[one][:, None] * parts[other][None])


def _spread(inputs: Inputs, structure: Structure, weight: np.ndarray) -> np.ndarray:
    """Return coordinates in which the squared distance is the scaled one; a category's values each have an axis, 1 / sqrt(2) from the
    origin."""
    scale = np.sqrt(weight)
    ordered = ~structure.categorical
    named = structure.categorical[structure.owner]
    hot = inputs.levels[:, named] * (scale[structure.owner[named]] / np.sqrt(2.0))
    return np.concatenate([inputs.place[:, ordered] * scale[ordered], hot], axis=1)
