"""Peak signal-to-noise ratio: ``10 log10(255^2 / MSE)`` of 8-bit pictures, in dB."""

from __future__ import annotations

from torch import Tensor

from autogc.config.experiment import PixelsConfig
from autogc.metrics.metric import Metric, Observation, Setting
from autogc.metrics.pixels import PEAK, compared, described

# What an exactly equal picture counts as in a mean, in dB: infinity would drown all others.
CAP = 100.0


def psnr(pictures: Tensor, target: Tensor, config: PixelsConfig | None = None) -> Tensor:
    """Return the PSNR of each picture (N, C, H, W) in [-1, 1] against its target, float64 (N,) in dB, higher is better.

    Equal pictures have infinity. Raises ``MetricError`` for shapes that differ and pictures smaller than the border.
    """
    first, second = compared(pictures, target, config or PixelsConfig())
    return 10 * (PEAK**2 / (first - second).square().mean((1, 2, 3))).log10()


class Psnr(Metric):
    """The mean over pictures of their PSNR, whatever their sizes; one of over 100 dB counts as that."""

    name = "psnr"
    title = "PSNR"
    meaning = "peak signal-to-noise ratio against the real pictures, the mean over pictures, higher is better"
    higher_is_better = True
    needs = frozenset({"pairs"})
    unit = "dB"
    digits = 2

    def observe(self, seen: Observation) -> Tensor:
        assert seen.target is not None
        return psnr(seen.pictures, seen.target, self.setting.pixels).clamp(max=CAP).cpu()

    def score(self, kept: Tensor) -> float:
        return float(kept.mean())

    @classmethod
    def protocol(cls, setting: Setting) -> str:
        return described(setting.pixels)
