"""A score on the scale on which it is modelled: a logarithm where that makes it more normal, extremes drawn in, mean 0, deviation 1."""

from __future__ import annotations

import numpy as np

# Beyond so many spreads from the median, on the bad and on the good side, values are drawn in: a broken subnet must not set the scale for
# all others, and what is better than everything that was seen must stay a number.
BAD, GOOD = 1.5, 6.0
# What is less than this part of the values is rounding.
ROUNDING = 1e-9


class Warp:
    """An increasing map fitted to minimised scores ``values`` (N,), N >= 1.

    The logarithm is taken where all values have one sign and their likelihood as normal variables is higher so (Box and Cox, An analysis
    of transformations, 1964, with lambda 0 and 1), unless ``linear``. What has no such logarithm, being of the other sign, is taken for the
    nearest number that has.
    """

    def __init__(self, values: np.ndarray, *, linear: bool = False) -> None:
        values = np.asarray(values, dtype=np.float64)
        self._sign = 0.0
        for sign in (1.0, -1.0):
            if not linear and (sign * values > 0).all() and _log_is_likelier(sign * values):
                self._sign = sign
        size = float(np.abs(values).max())
        # The nearest that has a logarithm: a millionth of the least that was seen.
        self._least = float(np.abs(values).min()) * 1e-6
        scaled = self._scaled(values)
        self._middle = float(np.median(scaled))
        good = scaled[scaled <= self._middle]
        rounding = ROUNDING * (1.0 if self._sign else max(size, 1e-300))
        spreads = (float(np.sqrt(((good - self._middle) ** 2).mean())), float(scaled.std()), 1.0 if self._sign else size or 1.0)
        self._spread = next(spread for spread in spreads if spread > rounding)
        bent = self._bent(scaled)
        deviation = float(bent.std())
        self._mean, self._deviation = float(bent.mean()), deviation if deviation > ROUNDING else 1.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return warped values."""
        return np.asarray((self._bent(self._scaled(np.asarray(values, dtype=np.float64))) - self._mean) / self._deviation)

    def inverse(self, warped: np.ndarray) -> np.ndarray:
        """Return the scores that warped values are of."""
        bent = np.asarray(warped) * self._deviation + self._mean
        standard = np.clip(bent, -GOOD, BAD)
        with np.errstate(over="ignore"):
            standard = standard + np.expm1(np.maximum(bent - BAD, 0.0)) - np.expm1(np.maximum(-GOOD - bent, 0.0))
            scaled = standard * self._spread + self._middle
            return np.asarray(self._sign * np.exp(self._sign * scaled)) if self._sign else scaled

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        if not self._sign:
            return values
        return np.asarray(self._sign * np.log(np.maximum(self._sign * values, self._least)))

    def _bent(self, scaled: np.ndarray) -> np.ndarray:
        standard = (scaled - self._middle) / self._spread
        bad, good = np.maximum(standard - BAD, 0.0), np.maximum(-GOOD - standard, 0.0)
        return np.asarray(np.clip(standard, -GOOD, BAD) + np.log1p(bad) - np.log1p(good))


def _log_is_likelier(values: np.ndarray) -> bool:
    logarithms = np.log(values)
    if len(values) < 3 or logarithms.std() <= ROUNDING or values.std() <= ROUNDING * values.max():
        return False
    return bool(-np.log(logarithms.std()) - logarithms.mean() > -np.log(values.std()))
