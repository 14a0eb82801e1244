"""The expected hypervolume improvement in closed form, of objectives that are modelled and of objectives that are known.

What a candidate would add to the volume that a front dominates is its share of the region that the front does not dominate. That region is
cut into boxes once a front (``free_boxes``). Where objectives are independent normal variables, the expected share of a box is a product of
one-dimensional expected improvements, so the expectation over all boxes is exact (Couckuyt, Deschrijver and Dhaene, Fast calculation of
multiobjective probability of improvement and expected improvement criteria for Pareto optimization, Journal of Global Optimization 60,
2014). A known objective, such as MACs, is a normal variable of deviation 0: with one modelled and one known, each box is a segment of the
cost axis, and contributes the part of its width to the right of the candidate times the expected improvement on the front's quality there.

Everything is minimised. Arrays are float64.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from autogc.search.pareto import non_dominated


def free_boxes(front: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the region below ``reference`` (M,) that ``front`` (F, M) does not dominate, as disjoint boxes: lower (B, M) and upper (B, M).

    Lower bounds may be minus infinity. M is 1, 2 or 3; at most 2 F + 1 boxes for two objectives and fewer, and a few times F for three.
    Raises ValueError for other M.
    """
    front = np.asarray(front, dtype=np.float64).reshape(-1, len(reference))
    front = front[(front < reference).all(axis=1)]
    front = np.unique(front[non_dominated(front)], axis=0)
    boxes: list[tuple[tuple[float, ...], tuple[float, ...]]]
    if len(reference) == 1:
        boxes = [((-np.inf,), (float(front.min(initial=reference[0])),))]
    elif len(reference) == 2:
        boxes = [((low, -np.inf), (high, top)) for low, high, top in _strips(front, reference)]
    elif len(reference) == 3:
        boxes = _slabs(front, reference)
    else:
        raise ValueError(f"one, two or three objectives, got {len(reference)}")
    lower, upper = (np.array([box[side] for box in boxes], dtype=np.float64).reshape(-1, len(reference)) for side in (0, 1))
    return lower, upper


def expected_improvement(threshold: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return E[max(threshold - Y, 0)] of Y ~ N(mean, deviation^2), broadcast; of a deviation of 0, max(threshold - mean, 0).

    Jones, Schonlau and Welch, Efficient global optimization of expensive black-box functions, Journal of Global Optimization 13, 1998.
    """
    below = threshold - mean
    spread = np.where(deviation > 0, deviation, 1.0)
    scaled = below / spread
    density = np.exp(-0.5 * scaled**2) / np.sqrt(2 * np.pi)
    return np.where(deviation > 0, np.maximum(below * ndtr(scaled) + spread * density, 0.0), np.maximum(below, 0.0))


def expected_hypervolume_improvement(mean: np.ndarray, deviation: np.ndarray, boxes: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return by how much each of N candidates is expected to raise the dominated hypervolume, (N,), all >= 0.

    ``mean`` and ``deviation`` (N, M) are of the objectives, independent of each other; ``boxes`` are ``free_boxes`` of the front.
    """
    lower, upper = boxes
    shares = np.ones((len(mean), len(lower)))
    for objective in range(mean.shape[1]):
        thresholds, places = np.unique(np.concatenate([lower[:, objective], upper[:, objective]]), return_inverse=True)
        bounded = np.isfinite(thresholds)
        gains = np.zeros((len(mean), len(thresholds)))
        at, apart = mean[:, objective, None], deviation[:, objective, None]
        gains[:, bounded] = expected_improvement(thresholds[bounded][None], at, apart)
        # Rounding must not make a box's share negative.
        shares *= np.maximum(gains[:, places[len(lower) :]] - gains[:, places[: len(lower)]], 0.0)
    return np.asarray(shares.sum(axis=1))


def _strips(front: np.ndarray, reference: np.ndarray) -> list[tuple[float, float, float]]:
    """Return (low, high, top): between low and high of the first objective, what is below top of the second is not dominated."""
    ordered = front[np.lexsort((front[:, 1], front[:, 0]))]
    edges = [-np.inf, *ordered[:, 0], float(reference[0])]
    tops = [float(reference[1]), *ordered[:, 1]]
    return [(float(low), float(high), float(top)) for low, high, top in zip(edges[:-1], edges[1:], tops, strict=True) if low < high]


def _slabs(front: np.ndarray, reference: np.ndarray) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Return the boxes of three objectives: the third is swept upward, and a strip of the other two is a box from where it appears to where
    a member of the front cuts it."""
    boxes = []
    standing: dict[tuple[float, float, float], float] = dict.fromkeys(_strips(front[:0, :2], reference[:2]), -np.inf)
    for level in np.unique(front[:, 2]):
        below = front[front[:, 2] <= level][:, :2]
        strips = _strips(np.unique(below[non_dominated(below)], axis=0), reference[:2])
        for strip in standing.keys() - set(strips):
            boxes.append((strip, standing[strip], float(level)))
        standing = {strip: standing.get(strip, float(level)) for strip in strips}
    boxes += [(strip, start, float(reference[2])) for strip, start in standing.items()]
    return [((low, -np.inf, start), (high, top, end)) for (low, high, top), start, end in boxes]
