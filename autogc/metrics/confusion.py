"""What a segmenter mistook for what: the confusion of two label maps, which every score of labels is made of."""

from __future__ import annotations

import torch
from torch import Tensor

from autogc.data import IGNORE_INDEX
from autogc.errors import MetricError


def confusion_matrix(prediction: Tensor, target: Tensor, *, classes: int, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Return how many pixels of each class (row) were predicted as each class (column): int64 (classes, classes + 1), on the CPU.

    ``prediction`` and ``target`` are integer tensors of one shape. Pixels whose target is ``ignore_index`` do not count; those whose
    prediction is, because a segmenter sees none of the classes there, are in the last column. Raises ``MetricError`` for shapes that differ
    and labels outside ``0 .. classes - 1``.
    """
    if prediction.shape != target.shape:
        raise MetricError(f"labels: predictions {tuple(prediction.shape)} against labels {tuple(target.shape)}")
    counted = target != ignore_index
    prediction, target = prediction[counted].long(), target[counted].long()
    prediction = torch.where(prediction == ignore_index, classes, prediction)
    for name, values, most in (("prediction", prediction, classes), ("label", target, classes - 1)):
        if values.numel() and (int(values.min()) < 0 or int(values.max()) > most):
            raise MetricError(f"labels: a {name} of {int(values.min())}..{int(values.max())} is outside 0..{classes - 1}")
    pairs = torch.bincount(target * (classes + 1) + prediction, minlength=classes * (classes + 1))
    return pairs.view(classes, classes + 1).cpu()


def confusion_of_each(prediction: Tensor, target: Tensor, *, classes: int, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Return the ``confusion_matrix`` of each picture of a batch (N, H, W): int64 (N, classes, classes + 1)."""
    if len(prediction) != len(target):
        raise MetricError(f"labels: predictions of {len(prediction)} pictures against labels of {len(target)}")
    pairs = zip(prediction, target, strict=True)
    return torch.stack([confusion_matrix(found, labels, classes=classes, ignore_index=ignore_index) for found, labels in pairs])


def class_iou(confusion: Tensor) -> Tensor:
    """Return intersection over union of each class, float64 (classes,) in 0..1; NaN for a class in neither predictions nor labels."""
    confusion = confusion.double()
    hit = confusion.diagonal()
    return hit / (confusion.sum(0)[:-1] + confusion.sum(1) - hit)


def class_accuracy(confusion: Tensor) -> Tensor:
    """Return the share of each class's pixels that were predicted as it, float64 (classes,) in 0..1; NaN for a class without pixels."""
    confusion = confusion.double()
    return confusion.diagonal() / confusion.sum(1)
