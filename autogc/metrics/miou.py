"""Mean intersection over union of two label maps, through their confusion matrix."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autogc.data import IGNORE_INDEX
from autogc.errors import MetricError
from autogc.metrics.metric import Metric, Observation


def confusion_matrix(prediction: Tensor, target: Tensor, *, classes: int, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Return how many pixels of each class (row) were predicted as each class (column): int64 (classes, classes).

    ``prediction`` and ``target`` are integer tensors of one shape. Pixels whose target is ``ignore_index`` do not count. Raises
    ``MetricError`` for shapes that differ and labels outside ``0 .. classes - 1``.
    """
    if prediction.shape != target.shape:
        raise MetricError(f"mIoU: predictions {tuple(prediction.shape)} against labels {tuple(target.shape)}")
    counted = target != ignore_index
    prediction, target = prediction[counted].long(), target[counted].long()
    for name, values in (("prediction", prediction), ("label", target)):
        if values.numel() and (int(values.min()) < 0 or int(values.max()) >= classes):
            raise MetricError(f"mIoU: a {name} of {int(values.min())}..{int(values.max())} is outside 0..{classes - 1}")
    pairs = torch.bincount(target * classes + prediction, minlength=classes * classes)
    return pairs.view(classes, classes).cpu()


def class_iou(confusion: Tensor) -> Tensor:
    """Return intersection over union of each class, float64 (classes,) in 0..1; NaN for a class in neither predictions nor labels."""
    confusion = confusion.double()
    hit = confusion.diagonal()
    return hit / (confusion.sum(0) + confusion.sum(1) - hit)


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
        """Return the confusion matrix of each picture, int64 (N, classes, classes)."""
        assert seen.segmentation is not None and seen.labels is not None
        pairs = zip(seen.segmentation.cpu(), seen.labels.cpu(), strict=True)
        classes, ignore_index = self.setting.classes, self.setting.ignore_index
        return torch.stack([confusion_matrix(found, labels, classes=classes, ignore_index=ignore_index) for found, labels in pairs])

    def score(self, kept: Tensor) -> float:
        return mean_iou(kept.sum(0))

    def details(self, kept: Tensor) -> dict[str, float]:
        """Return the IoU of each class that occurs."""
        ious = dict(zip(self.setting.class_names, class_iou(kept.sum(0)).tolist(), strict=True))
        return {name: iou for name, iou in ious.items() if not math.isnan(iou)}
