"""The scores of label maps, mean intersection over union and pixel accuracy, against scikit-learn, torchmetrics and arithmetic."""

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassJaccardIndex

from autogc.errors import MetricError
from autogc.metrics import class_accuracy, class_iou, confusion_matrix, mean_iou, pixel_accuracy
from autogc.metrics.confusion import confusion_of_each


def maps(seed, classes, ignored=0.1):
    generator = np.random.default_rng(seed)
    target = generator.integers(0, classes, (2, 9, 7))
    prediction = np.where(generator.random(target.shape) < 0.6, target, generator.integers(0, classes, target.shape))
    target[generator.random(target.shape) < ignored] = 255
    return torch.from_numpy(prediction), torch.from_numpy(target)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 12))
def test_agrees_with_scikit_learn(seed, classes):
    prediction, target = maps(seed, classes)
    confusion = confusion_matrix(prediction, target, classes=classes)
    counted = target != 255
    p, t = prediction[counted].numpy(), target[counted].numpy()
    assert np.array_equal(confusion[:, :-1].numpy(), sklearn.metrics.confusion_matrix(t, p, labels=range(classes)))
    occurring = np.union1d(p, t)
    assert mean_iou(confusion) == pytest.approx(sklearn.metrics.jaccard_score(t, p, labels=occurring, average="macro"))
    assert pixel_accuracy(confusion) == pytest.approx(sklearn.metrics.accuracy_score(t, p))
    there = np.unique(t)
    assert class_accuracy(confusion)[there].tolist() == pytest.approx(sklearn.metrics.recall_score(t, p, labels=there, average=None))


def test_agrees_with_torchmetrics():
    prediction, target = maps(0, 6)
    metric = MulticlassJaccardIndex(num_classes=6, ignore_index=255)
    assert mean_iou(confusion_matrix(prediction, target, classes=6)) == pytest.approx(float(metric(prediction, target)), abs=1e-6)


def test_by_hand():
    target = torch.tensor([0, 0, 1, 1, 255])
    prediction = torch.tensor([0, 1, 1, 1, 2])
    confusion = confusion_matrix(prediction, target, classes=4)
    assert confusion.tolist() == [[1, 1, 0, 0, 0], [0, 2, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    ious = class_iou(confusion)
    assert ious[:2].tolist() == pytest.approx([1 / 2, 2 / 3]) and ious[2:].isnan().all()
    assert mean_iou(confusion) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_a_class_that_is_only_predicted_counts_as_zero():
    confusion = confusion_matrix(torch.tensor([0, 2]), torch.tensor([0, 0]), classes=3)
    assert mean_iou(confusion) == pytest.approx((1 / 2 + 0) / 2)


def test_a_pixel_that_was_predicted_as_nothing_counts_against_its_class_alone():
    target = torch.tensor([0, 0, 0, 1, 1, 255])
    confusion = confusion_matrix(torch.tensor([0, 0, 255, 1, 1, 255]), target, classes=2)
    assert confusion.tolist() == [[2, 0, 1], [0, 2, 0]]
    assert class_iou(confusion).tolist() == pytest.approx([2 / 3, 1])
    assert class_accuracy(confusion).tolist() == pytest.approx([2 / 3, 1]) and pixel_accuracy(confusion) == 4 / 5


def test_each_picture_has_its_own():
    prediction, target = maps(5, 4)
    each = confusion_of_each(prediction, target, classes=4)
    assert all(torch.equal(each[i], confusion_matrix(prediction[i], target[i], classes=4)) for i in range(2))
    with pytest.raises(MetricError, match="predictions of 1 pictures against labels of 2"):
        confusion_of_each(prediction[:1], target, classes=4)


def test_matrices_of_batches_add_up():
    prediction, target = maps(3, 5)
    parts = sum(confusion_matrix(prediction[i], target[i], classes=5) for i in range(2))
    assert torch.equal(parts, confusion_matrix(prediction, target, classes=5))


def test_another_ignore_index():
    target = torch.tensor([0, 3, 1])
    assert int(confusion_matrix(torch.tensor([0, 0, 1]), target, classes=2, ignore_index=3).sum()) == 2


def test_what_cannot_be_scored():
    with pytest.raises(MetricError, match=r"label of 0\.\.7"):
        confusion_matrix(torch.tensor([0, 1]), torch.tensor([0, 7]), classes=3)
    with pytest.raises(MetricError, match=r"prediction of -1\.\.0"):
        confusion_matrix(torch.tensor([0, -1]), torch.tensor([0, 1]), classes=3)
    with pytest.raises(MetricError, match="against labels"):
        confusion_matrix(torch.zeros(2), torch.zeros(3), classes=3)
    with pytest.raises(MetricError, match="no labelled pixel"):
        mean_iou(confusion_matrix(torch.tensor([0]), torch.tensor([255]), classes=3))
    with pytest.raises(MetricError, match="no labelled pixel"):
        pixel_accuracy(confusion_matrix(torch.tensor([0]), torch.tensor([255]), classes=3))
