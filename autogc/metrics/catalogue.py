"""The metrics, in the order in which tables show them. A new one is a file, a line here, and a row in the contract tests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from autogc.metrics.fid import Fid
from autogc.metrics.inception_score import InceptionScore
from autogc.metrics.kid import Kid
from autogc.metrics.lpips import Lpips
from autogc.metrics.metric import REMEDIES, Metric, Need, Setting
from autogc.metrics.miou import MeanIou
from autogc.metrics.pixel_accuracy import PixelAccuracy
from autogc.metrics.precision_recall import Precision, Recall
from autogc.metrics.psnr import Psnr
from autogc.metrics.ssim import Ssim
from autogc.metrics.vol import VarianceOfLaplacian

IN_ORDER: tuple[type[Metric], ...] = (
    Fid, Kid, Precision, Recall, MeanIou, PixelAccuracy, InceptionScore, Psnr, Ssim, Lpips, VarianceOfLaplacian,
)  # fmt: skip
METRICS: Mapping[str, type[Metric]] = {metric.name: metric for metric in IN_ORDER}


def lacking(name: str, offers: Collection[Need]) -> list[str]:
    """Return what a metric needs and ``offers`` do not have, each as ``fid needs ...``; empty where it can be given."""
    return [f"{name} {REMEDIES[need]}" for need in sorted(METRICS[name].needs) if need not in offers]


def too_few(names: Iterable[str], setting: Setting, *, generated: int, real: int | None = None) -> dict[str, str]:
    """Return which metrics need more pictures than so many, by name, each with a sentence that says it.

    Of the real ones (None: nobody knows how many) as many are needed where they are compared as sets.
    """
    found: dict[str, str] = {}
    for name in names:
        fewest = METRICS[name].fewest(setting)
        there = {"generated": generated} | ({"real": real} if real is not None and "features" in METRICS[name].needs else {})
        for what, images in there.items():
            if images < fewest:
                said = f"{name} needs at least {fewest} {what} images, and there are {images}: score more of them, or use more data"
                found.setdefault(name, said)
    return found
