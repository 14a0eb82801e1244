"""The judge that autogc trains itself: it learns, and it is a function of its seed."""

import pytest
import torch

from autogc.data import DATASETS
from autogc.errors import ConfigError, DivergenceError
from autogc.metrics import SEGMENTERS, confusion_matrix, mean_iou
from autogc.progress import Silent

DATA = DATASETS.build("streets", {"height": 32, "width": 40, "train": 48, "validation": 16, "test": 2}, seed=0)


def network(seed=0, **arguments):
    return SEGMENTERS.build("dataset_segmenter", {"steps": 12, "batch_size": 4, "width": 4} | arguments, data=DATA, seed=seed)


def fitted(seed=0, **arguments):
    made = network(seed, **arguments)
    made.fit(DATA, seed=seed, device=torch.device("cpu"), progress=Silent())
    return made


def miou(judge):
    batch = DATA.validation.batch()
    with torch.inference_mode():
        return mean_iou(confusion_matrix(judge.segment(batch.target, batch.target.shape[-2:]), batch.labels, classes=len(DATA.class_names)))


def test_it_learns_the_real_pairs():
    assert miou(fitted(steps=80, width=8)) > max(0.25, 2 * miou(network(width=8)))


def test_the_seed_decides_every_bit_and_nothing_else_does():
    first = fitted()
    torch.manual_seed(12345)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert fitted().weights_hash == first.weights_hash
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert fitted(seed=1).weights_hash != first.weights_hash


def test_training_leaves_the_callers_random_stream_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    fitted(steps=1)
    assert torch.equal(torch.rand(3), expected)


def test_the_label_says_what_it_is():
    assert "synthetic" in network().label and "not Inception" in network().label


@pytest.mark.parametrize("size", [(32, 40), (33, 37)])
def test_any_size_of_picture(size):
    images = torch.rand(2, 3, *size) * 2 - 1
    assert network().segment(images, size).shape == (2, *size)
    assert network().features(images).shape == (2, 5 * 4)


def test_a_dataset_without_labels_is_refused():
    data = DATASETS.build("streets", {}, seed=0)
    data.class_names = ()
    with pytest.raises(ConfigError, match="learns from labels"):
        SEGMENTERS.build("dataset_segmenter", {}, data=data, seed=0)


def test_bad_arguments_are_said_at_once():
    with pytest.raises(ConfigError) as caught:
        network(steps=0, learning_rate=-1.0)
    assert len(caught.value.problems) == 2


def test_divergence_is_said():
    with pytest.raises(DivergenceError, match="lower its learning_rate"):
        fitted(learning_rate=1e30)
