"""Structural similarity (Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004).

Means, variances and covariance under a Gaussian window of 11 x 11 and a standard deviation of 1.5, wherever it lies inside the picture.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autogc.config.experiment import PixelsConfig
from autogc.metrics.metric import WINDOW, Metric, Observation, Setting
from autogc.metrics.pixels import PEAK, compared, described

DEVIATION = 1.5
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def ssim(pictures: Tensor, target: Tensor, config: PixelsConfig | None = None) -> Tensor:
    """Return the SSIM of each picture (N, C, H, W) in [-1, 1] with its target, float64 (N,), at most 1, higher is better.

    Channels are taken one by one and averaged. Raises ``MetricError`` for shapes that differ and pictures smaller than the window.
    """
    first, second = compared(pictures, target, config or PixelsConfig(), least=WINDOW)
    # Equations 14 to 16 with the moments of the first, the second and both.
    moments = [first, second, first * first, second * second, first * second]
    mean1, mean2, square1, square2, product = (_smoothed(moment) for moment in moments)
    both = mean1 * mean2
    squares = mean1.square() + mean2.square()
    similarity = (2 * both + C1) * (2 * (product - both) + C2) / ((squares + C1) * (square1 + square2 - squares + C2))
    return similarity.mean((1, 2, 3))


def _smoothed(values: Tensor) -> Tensor:
    """Return the weighted mean of each window: (N, C, H, W) to (N, C, H - 10, W - 10). Shifted sums: float64 convolutions are slow."""
    weights = [math.exp(-((place - WINDOW // 2) ** 2) / (2 * DEVIATION**2)) for place in range(WINDOW)]
    for dimension in (-2, -1):
        length = values.shape[dimension] - WINDOW + 1
        total = torch.zeros_like(values.narrow(dimension, 0, length))
        for place, weight in enumerate(weights):
            total.add_(values.narrow(dimension, place, length), alpha=weight / sum(weights))
        values = total
    return values


class Ssim(Metric):
    """The mean over pictures of their SSIM, whatever their sizes."""

    name = "ssim"
    title = "SSIM"
    meaning = "structural similarity with the real pictures (window 11 x 11, sigma 1.5), the mean over pictures, higher is better"
    higher_is_better = True
    needs = frozenset({"pairs", "windows"})
    digits = 4

    def observe(self, seen: Observation) -> Tensor:
        assert seen.target is not None
        return ssim(seen.pictures, seen.target, self.setting.pixels).cpu()

    def score(self, kept: Tensor) -> float:
        return float(kept.mean())

    @classmethod
    def protocol(cls, setting: Setting) -> str:
        return f"window {WINDOW} x {WINDOW}, sigma {DEVIATION}, {described(setting.pixels)}"
