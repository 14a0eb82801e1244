"""Rows of a space as a Gaussian process sees them."""

from __future__ import annotations

import numpy as np

from autogc.search.feasibility import FeasibleRegion
from autogc.search.gaussian_process import Inputs, Structure
from autogc.search.proposals import feasible_draws

SIZES = ("macs", "params", "storage_bytes", "bops")
ROUNDING, FARTHEST = 1e-6, 8.0
DRAWS = 512  # of the feasible candidates, by which sizes are standardised


class Features:
    """Turns rows (N, decisions) into ``Inputs``: places, levels, and the logarithms of the known costs."""

    def __init__(self, region: FeasibleRegion) -> None:
        encoding = region.encoding
        self._region = region
        self._sizes = encoding.sizes
        self._starts = np.concatenate([[0], np.cumsum(encoding.sizes)[:-1]])
        self.structure = Structure(~np.array(encoding.ordered), np.repeat(np.arange(len(encoding.sizes)), encoding.sizes))
        drawn = self._logarithms(feasible_draws(region, DRAWS))
        self._mean, deviation = drawn.mean(axis=0), drawn.std(axis=0)
        self._deviation = np.where(deviation > ROUNDING, deviation, 1.0)

    def __call__(self, rows: np.ndarray) -> Inputs:
        """Return the inputs of rows (N, decisions)."""
        place = np.where(self.structure.categorical, rows, rows / np.maximum(self._sizes - 1, 1))
        levels = np.zeros((len(rows), int(self._sizes.sum())))
        levels[np.arange(len(rows))[:, None], self._starts + rows] = 1.0
        # Other searches' candidates may lie far outside of what is feasible here.
        sizes = np.clip((self._logarithms(rows) - self._mean) / self._deviation, -FARTHEST, FARTHEST)
        return Inputs(place.astype(np.float64), levels, sizes, np.zeros(len(rows), dtype=np.int64))

    def _logarithms(self, rows: np.ndarray) -> np.ndarray:
        costs = self._region.known(rows, only=SIZES)
        return np.log1p(np.stack([values.astype(np.float64) for values in costs.values()], axis=1))
