"""VoL, the variance of the Laplacian: how sharp pictures are (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy",
ICPR 2000).

Aguinaldo et al. ("Compressing GANs using Knowledge Distillation", 2019) tell by it that students which are taught by pixels alone blur.
They publish no kernel; this is the one that OpenCV's users take: ``cv2.Laplacian(grey, cv2.CV_64F).var()`` of 8-bit grey pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from autogc.errors import MetricError
from autogc.metrics.metric import Metric, Observation, Setting

# Grey of red, green and blue (ITU-R BT.601: 0.299, 0.587, 0.114) in 2^-15, in whole numbers as OpenCV has it: the same on every device.
GREY, SHIFT = (9798, 19235, 3735), 15


def variance_of_laplacian(pictures: Tensor) -> Tensor:
    """Return the variance of the Laplacian of each picture (N, 1 or 3, H, W) in [-1, 1], float64 (N,), higher is sharper.

    The kernel is 0 1 0 / 1 -4 1 / 0 1 0 over grey values of 0..255, rounded to 8 bits; pictures go on beyond their edges mirrored at the
    outermost pixels' centres. Raises ``MetricError`` for pictures with a side of one pixel and for values that are not finite.
    """
    if min(pictures.shape[-2:]) < 2:
        raise MetricError(f"VoL needs pictures of at least 2 x 2 pixels, got {pictures.shape[-2]} x {pictures.shape[-1]}")
    if not torch.isfinite(pictures).all():
        raise MetricError("VoL: pictures hold NaN or infinity")
    # All whole numbers of less than 2^24, so float32 holds them exactly.
    padded = functional.pad(_grey(pictures), (1, 1, 1, 1), mode="reflect")[:, 0]
    centre = padded[:, 1:-1, 1:-1]
    laplacian = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:] - 4 * centre
    return laplacian.double().flatten(1).var(1, correction=0)


def _grey(pictures: Tensor) -> Tensor:
    values = pictures.float().add(1).mul(127.5).round()
    if values.shape[1] == 1:
        return values
    red, green, blue = (part * weight for part, weight in zip(values.int().split(1, dim=1), GREY, strict=True))
    return (red + green + blue + (1 << SHIFT - 1)).bitwise_right_shift(SHIFT).float()


class VarianceOfLaplacian(Metric):
    """The mean over pictures of their Laplacians' variance."""

    name = "vol"
    title = "VoL"
    meaning = "variance of the Laplacian, sharpness, higher is better up to the real images' own value; past it is noise, not detail"
    higher_is_better = True
    needs = frozenset()
    digits = 1
    on_real = True

    def observe(self, seen: Observation) -> Tensor:
        return variance_of_laplacian(seen.pictures).cpu()

    def score(self, kept: Tensor) -> float:
        return float(kept.mean())

    @classmethod
    def protocol(cls, setting: Setting) -> str:
        del setting
        return "kernel 0 1 0 / 1 -4 1 / 0 1 0 over 8-bit grey (BT.601) in 0..255, mirrored edges, the mean over pictures"
