"""The fine detail of two images, by a wavelet transform."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from autogc.errors import ConfigError
from autogc.losses.terms.term import TERMS, Seen, same_shape, total


def haar(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return one level of the orthonormal two-dimensional Haar transform (Mallat, IEEE TPAMI 1989).

    ``image`` is (N, C, H, W); of an odd side the last pixels are repeated. Returns the low band (N, C, h, w) with h = ceil(H / 2), and the
    three high ones (N, 3, C, h, w): differences across, down, and of both.
    """
    height, width = image.shape[-2:]
    if height % 2 or width % 2:
        image = F.pad(image, (0, width % 2, 0, height % 2), mode="replicate")
    a, b, c, d = (image[..., row::2, column::2] for row in (0, 1) for column in (0, 1))
    high = torch.stack([a - b + c - d, a + b - c - d, a - b - c + d], dim=1)
    return (a + b + c + d) / 2, high / 2


def high_bands(image: Tensor, levels: int) -> list[Tensor]:
    """Return the high bands of ``levels`` levels of the Haar transform, the finest first. Raises ConfigError for too small an image."""
    if min(image.shape[-2:]) < 2**levels:
        raise ConfigError(f"wavelet with levels: {levels} needs images of at least {2**levels} x {2**levels}: lower levels")
    found = []
    for _ in range(levels):
        image, high = haar(image)
        found.append(high)
    return found


@TERMS.register("wavelet")
class Wavelet:
    """The mean absolute difference of the high-frequency bands, summed over ``levels``: wavelet knowledge distillation (Zhang et al.,
    CVPR 2022), which distils ``|H(G_T(x)) - H(G_S(x))|_1``, H the high bands of a discrete wavelet transform; here Haar's.

    Small generators lose fine detail first; the low band is left to the other terms.
    """

    needs: frozenset[str] = frozenset()
    discriminator: str | None = None

    def __init__(self, *, levels: int = 3) -> None:
        if levels < 1:
            raise ConfigError(f"wavelet needs at least one level, got levels: {levels}")
        self.levels = levels

    def __call__(self, seen: Seen) -> Tensor:
        same_shape(seen.image, seen.target)
        mine, wanted = high_bands(seen.image, self.levels), high_bands(seen.target.detach(), self.levels)
        return total([F.l1_loss(one, other) for one, other in zip(mine, wanted, strict=True)])
