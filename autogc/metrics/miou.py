"""Mean intersection over union of two label maps, through their confusion matrix."""

from __future__ import annotations

import math

from torch import Tensor

from autogc.errors import MetricError
from autogc.metrics.confusion import class_iou
from autogc.metrics.metric import Metric, Observation


def mean_iou(confusion: Tensor) -> float:
    """Return the mean of ``class_iou`` over the classes that occur, in 0..1, higher is better. Raises ``MetricError`` when none does."""
    ious = class_iou(confusion)
    occurring = ious[~ious.isnan()]
    if not len(occurring):
        raise MetricError("mIoU: no labelled pixel to score on")
    return float(occurring.mean())


class MeanIou(Metric):
    """mIoU of a segmenter's labels on the pictures with the true ones, over the confusion of all pixels."""

    name = "miou"
    title = "mIoU"
    meaning = "mean intersection over union of a segmenter's labels on generated images, higher is better"
    higher_is_better = True
    needs = frozenset({"segmentation"})
    digits = 3
    on_real = True

    def observe(self, seen: Observation) -> Tensor:
        """Return the confusion matrix of each picture, int64 (N, classes, classes + 1)."""
        assert seen.confusion is not None
        return seen.confusion

    def score(self, kept: Tensor) -> float:
        return mean_iou(kept.sum(0))

    def details(self, kept: Tensor) -> dict[str, float]:
        """Return the IoU of each class that occurs."""
        ious = dict(zip(self.setting.class_names, class_iou(kept.sum(0)).tolist(), strict=True))
        return {name: iou for name, iou in ious.items() if not math.isnan(iou)}
