"""The metrics, in the order in which tables show them. A new one is a file, a line here, and a row in the contract tests."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from autogc.metrics.fid import Fid
from autogc.metrics.inception_score import InceptionScore
from autogc.metrics.kid import Kid
from autogc.metrics.lpips import Lpips
from autogc.metrics.metric import REMEDIES, Metric, Need
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
