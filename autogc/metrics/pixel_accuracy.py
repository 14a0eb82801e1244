"""Pixel accuracy: how many of the labelled pixels a segmenter gives their true class (Long et al., CVPR 2015, section 5)."""

from __future__ import annotations

import math

from torch import Tensor

from autogc.errors import MetricError
from autogc.metrics.confusion import class_accuracy
from autogc.metrics.metric import Metric, Observation


def pixel_accuracy(confusion: Tensor) -> float:
    """Return the share of all labelled pixels on the diagonal, in 0..1, higher is better. Raises ``MetricError`` when there are none.

    It is the mean over pixels, not over classes: what pix2pix's scores on Cityscapes (Isola et al., CVPR 2017, table 1: per-pixel acc.)
    and the pruning papers after it call mean pixel accuracy.
    """
    labelled = int(confusion.sum())
    if not labelled:
        raise MetricError("pixel accuracy: no labelled pixel to score on")
    return int(confusion.diagonal().sum()) / labelled


class PixelAccuracy(Metric):
    """The pixel accuracy of a segmenter's labels on the pictures, over all pixels; each class's own is in the details."""

    name = "pixel_accuracy"
    title = "Pixel acc."
    meaning = "mean pixel accuracy: share of pixels that a segmenter gives their true label on generated images, higher is better"
    higher_is_better = True
    needs = frozenset({"segmentation"})
    digits = 3
    on_real = True

    def observe(self, seen: Observation) -> Tensor:
        """Return the confusion matrix of each picture, int64 (N, classes, classes + 1): that which mIoU keeps, too."""
        assert seen.confusion is not None
        return seen.confusion

    def score(self, kept: Tensor) -> float:
        return pixel_accuracy(kept.sum(0))

    def details(self, kept: Tensor) -> dict[str, float]:
        """Return the accuracy of each class that the labels hold."""
        found = dict(zip(self.setting.class_names, class_accuracy(kept.sum(0)).tolist(), strict=True))
        return {name: accuracy for name, accuracy in found.items() if not math.isnan(accuracy)}
