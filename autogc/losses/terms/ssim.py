"""Structural similarity as a loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from autogc.errors import ConfigError
from autogc.losses.terms.term import TERMS, Seen, same_shape

WINDOW, DEVIATION = 11, 1.5
K1, K2 = 0.01, 0.03


def structural_similarity(image: Tensor, target: Tensor) -> Tensor:
    """Return the SSIM of each image with its target: Wang et al. (IEEE TIP 2004), equation 13.

    Both are (N, C, H, W) in [-1, 1], compared in [0, 1]; returns (N,), at most 1, higher is better. Means, variances and covariance are
    taken under a Gaussian window of 11 x 11 (sigma 1.5) wherever it lies inside, channel by channel.
    Raises ConfigError for images smaller than the window, ValueError for shapes that differ.
    """
    same_shape(image, target)
    if min(image.shape[-2:]) < WINDOW:
        raise ConfigError(f"ssim needs images of at least {WINDOW} x {WINDOW}, these are {image.shape[-2]} x {image.shape[-1]}")
    first, second = (image.float() + 1) / 2, (target.float() + 1) / 2
    mean1, mean2, square1, square2, product = _smoothed(
        torch.cat([first, second, first * first, second * second, first * second], dim=1)
    ).chunk(5, dim=1)
    both, squares = mean1 * mean2, mean1.square() + mean2.square()
    similarity = (2 * both + K1**2) * (2 * (product - both) + K2**2) / ((squares + K1**2) * (square1 + square2 - squares + K2**2))
    return similarity.mean((1, 2, 3))


def _smoothed(values: Tensor) -> Tensor:
    weights = torch.tensor([math.exp(-((place - WINDOW // 2) ** 2) / (2 * DEVIATION**2)) for place in range(WINDOW)])
    weights = (weights / weights.sum()).to(values)
    channels = values.shape[1]
    rows = F.conv2d(values, weights.view(1, 1, -1, 1).repeat(channels, 1, 1, 1), groups=channels)
    return F.conv2d(rows, weights.view(1, 1, 1, -1).repeat(channels, 1, 1, 1), groups=channels)


@TERMS.register("ssim")
class Ssim:
    """``1 - SSIM(image, target)``, the mean over images, in [0, 2]: OMGD's structure term (Ren et al., ICCV 2021), weighted 10 there."""

    needs: frozenset[str] = frozenset()
    discriminator: str | None = None

    def __call__(self, seen: Seen) -> Tensor:
        return 1 - structural_similarity(seen.image, seen.target.detach()).mean()
