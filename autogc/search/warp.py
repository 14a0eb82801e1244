"""A score on the scale on which it is modelled: a logarithm where that makes it more normal, the worst drawn in, mean 0, deviation 1."""

from __future__ import annotations

import numpy as np

# Beyond so many deviations from the median on the bad side, values are drawn in: a broken subnet must not set the scale for all others.
BEND = 1.5


class Warp:
    """An increasing map fitted to minimised scores ``values`` (N,), N >= 1.

    The logarithm is taken where all values have one sign and their likelihood as normal variables is higher so (Box and Cox, An analysis
    of transformations, 1964, with lambda 0 and 1).
    """

    def __init__(self, values: np.ndarray) -> None:
        self._sign = 0.0
        for sign in (1.0, -1.0):
            if (sign * values > 0).all() and _log_is_likelier(sign * values):
                self._sign = sign
        scaled = self._scaled(values)
        self._middle = float(np.median(scaled))
        good = scaled[scaled <= self._middle]
        spread = float(np.sqrt(((good - self._middle) ** 2).mean()))
        self._spread = spread or float(scaled.std()) or 1.0
        bent = self._bent(scaled)
        self._mean, self._deviation = float(bent.mean()), float(bent.std()) or 1.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return warped values; of what has no logarithm, the best there is."""
        return np.asarray((self._bent(self._scaled(values)) - self._mean) / self._deviation)

    def inverse(self, warped: np.ndarray) -> np.ndarray:
        """Return the scores that warped values are of."""
        bent = np.asarray(warped) * self._deviation + self._mean
        standard = np.minimum(bent, BEND) + np.expm1(np.maximum(bent - BEND, 0.0))
        scaled = standard * self._spread + self._middle
        return np.asarray(self._sign * np.exp(self._sign * scaled)) if self._sign else scaled

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        if not self._sign:
            return np.asarray(values, dtype=np.float64)
        return np.asarray(self._sign * np.log(np.maximum(self._sign * values, 1e-300)))

    def _bent(self, scaled: np.ndarray) -> np.ndarray:
        standard = (scaled - self._middle) / self._spread
        beyond = np.maximum(standard - BEND, 0.0)
        return np.minimum(standard, BEND) + np.log1p(beyond)


def _log_is_likelier(values: np.ndarray) -> bool:
    logarithms = np.log(values)
    if len(values) < 3 or logarithms.std() == 0 or values.std() == 0:
        return False
    return bool(-np.log(logarithms.std()) - logarithms.mean() > -np.log(values.std()))
