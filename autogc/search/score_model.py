"""What evaluations tell of one score, of candidates that were not evaluated too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from autogc.search.features import Features
from autogc.search.gaussian_process import GaussianProcess
from autogc.search.warp import Warp

# A fit of hyperparameters takes time with the cube of the values, a prediction with their square: of more, the most telling are taken.
FITTED, KEPT = 250, 500
STEPS, STEPS_AGAIN = 60, 20
# A quarter of those that are taken are drawn from the rest, so that the model knows what is bad too.
REST = 0.25


@dataclass(frozen=True)
class Related:
    """Scores that are like the modelled one, minimised, on a scale of their own: of ``rows`` (N, decisions), ``values`` (N,)."""

    rows: np.ndarray
    values: np.ndarray


class ScoreModel:
    """A Gaussian process of a score that is minimised, fitted to ``rows`` (N, decisions) and ``values`` (N,), N >= 1.

    ``telling`` (N,) says how much each is worth (higher is more) where there are too many. ``start`` are hyperparameters of another fit,
    taken as they are unless ``fit``. ``linear`` keeps the logarithm from being taken.
    """

    def __init__(
        self,
        features: Features,
        rows: np.ndarray,
        values: np.ndarray,
        *,
        related: Sequence[Related] = (),
        telling: np.ndarray | None = None,
        start: np.ndarray | None = None,
        fit: bool = True,
        linear: bool = False,
    ) -> None:
        self._features = features
        self.warp = Warp(values, linear=linear)
        self._warps = [Warp(one.values) if len(one.rows) else self.warp for one in related]
        inputs, warped = features(rows), self.warp(values)
        telling = np.zeros(len(rows)) if telling is None else telling
        worth = telling
        for number, (one, warp) in enumerate(zip(related, self._warps, strict=True), start=1):
            if len(one.rows):
                inputs = inputs.joined(features(one.rows).of_task(number))
                warped = np.concatenate([warped, warp(one.values)])
                worth = np.concatenate([worth, -one.values.argsort().argsort() - 1.0 - len(rows)])
        if fit:
            few = _telling(worth, FITTED)
            steps = STEPS if start is None else STEPS_AGAIN
            process = GaussianProcess(inputs[few], warped[few], structure=features.structure, tasks=len(related), start=start, steps=steps)
            start = process.hyperparameters
        kept = _telling(worth, KEPT)
        if not fit or len(few) < len(kept):
            process = GaussianProcess(inputs[kept], warped[kept], structure=features.structure, tasks=len(related), start=start, steps=0)
        self.process = process

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the deviation, without noise, of the warped score of rows (N, decisions), each (N,)."""
        return self.process.predict(self._features(rows))

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """Return the mean of the warped score of rows (N, decisions), (N,)."""
        return self.process.mean(self._features(rows))

    def first_score_for(self, row: np.ndarray, threshold: float, *, chance: float) -> float | None:
        """Return the first related score with which a candidate has just the ``chance`` (0 to 0.5) of a warped score below ``threshold``.

        Lower ones have a better chance. None where the related score tells nothing of the score.
        """
        both = self._features(np.stack([row, row]))
        both = both.of_task(0)[:1].joined(both.of_task(1)[:1])
        (mean, first_mean), (deviation, first_deviation) = self.process.predict(both)
        common = float(self.process.covariance(both[:1], both[1:])[0])
        told = float(first_deviation**2 + self.process.noise)
        if common <= 0:
            return None
        left = np.sqrt(max(float(deviation**2) - common**2 / told, 0.0))
        first = first_mean + (threshold - mean - ndtri(chance) * left) * told / common
        return float(self._warps[0].inverse(np.array([first]))[0])

    def expect(self, rows: np.ndarray) -> None:
        """Take the mean for what evaluations of rows (N, decisions) will tell, so that nobody else is sent there."""
        if len(rows):
            inputs = self._features(rows)
            self.process = self.process.told(inputs, self.process.mean(inputs))


def _telling(worth: np.ndarray, most: int) -> np.ndarray:
    """Return the places of at most ``most`` values: most of them those of highest worth, the others evenly from the rest."""
    order = np.argsort(-worth, kind="stable")
    if len(order) <= most:
        return np.arange(len(order))
    first = int(most * (1 - REST))
    rest = order[first:]
    return np.concatenate([order[:first], rest[np.linspace(0, len(rest) - 1, most - first).astype(int)]])
