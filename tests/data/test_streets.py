"""The embedded dataset: the same seed draws the same street everywhere, and pictures say what the labels say."""

import hashlib
import pickle

import numpy as np
import pytest
import torch

from autogc.data import DATASETS
from autogc.data.streets import CLASSES, DRAWING, draw
from autogc.data.streets.canvas import Canvas
from autogc.data.streets.scene import Dice, compose
from autogc.errors import ConfigError


def test_a_sample_does_not_depend_on_what_was_drawn_before():
    data = DATASETS.build("streets", {"train": 5, "validation": 2, "test": 2}, seed=3)
    picture, labels = draw(3, "train", 4, height=64, width=64)
    samples = data.train.load()
    assert np.array_equal(samples.targets[4], picture)
    assert samples.labels is not None and np.array_equal(samples.labels[4], labels)


def test_the_drawing_is_the_one_that_its_version_names():
    """A change that draws other samples must raise DRAWING, so that old scores are not taken for comparable."""
    digest = hashlib.sha256()
    for index in range(6):
        for part in draw(0, "test", index, height=64, width=96):
            digest.update(part.tobytes())
    assert (DRAWING, digest.hexdigest()[:16]) == (1, "90fabc3723497fd9")


@pytest.mark.parametrize("other", [(1, "train", 0), (0, "validation", 0), (0, "train", 1)])
def test_seed_split_and_index_each_draw_another_street(other):
    assert not np.array_equal(draw(0, "train", 0, height=32, width=32)[0], draw(*other, height=32, width=32)[0])


def test_every_class_occurs_and_none_covers_everything():
    labels = np.stack([draw(0, "train", index, height=64, width=64)[1] for index in range(24)])
    share = np.bincount(labels.ravel(), minlength=len(CLASSES)) / labels.size
    assert len(share) == len(CLASSES)
    assert (share > 0.002).all(), dict(zip(CLASSES, share, strict=True))
    assert share.max() < 0.6


def test_the_light_follows_the_sun_that_the_label_map_shows():
    """A generator can only learn the light if it is a function of the input: the higher the sun, the brighter the street."""
    heights, brightness = [], []
    for index in range(40):
        picture, labels = draw(0, "train", index, height=64, width=64)
        rows = np.nonzero(labels == CLASSES.index("sun"))[0]
        if len(rows):
            heights.append(-rows.mean())
            brightness.append(picture[:, labels == CLASSES.index("road")].mean())
    assert len(heights) > 30
    assert np.corrcoef(heights, brightness)[0, 1] > 0.7


def test_labels_and_picture_are_aligned():
    """Inside a class neighbouring pixels differ less than across the border of two classes."""
    inside, across = [], []
    for index in range(8):
        picture, labels = draw(1, "train", index, height=64, width=64)
        step = np.abs(np.diff(picture.astype(int), axis=2)).mean(0)
        same = labels[:, 1:] == labels[:, :-1]
        inside.append(step[same].mean())
        across.append(step[~same].mean())
    assert np.mean(across) > 3 * np.mean(inside)


def test_a_larger_picture_shows_the_same_street():
    small, _ = draw(5, "train", 0, height=64, width=64)
    large, _ = draw(5, "train", 0, height=128, width=128)
    halved = large.reshape(3, 64, 2, 64, 2).mean((2, 4))
    assert np.abs(halved - small).mean() < 4


def test_things_stand_on_the_ground_nearest_last():
    for index in range(20):
        scene = compose(Dice(0, 0, index))
        depths = [figure.z for figure in scene.figures]
        assert depths == sorted(depths, reverse=True)
        assert all(abs(figure.x) < scene.wall for figure in scene.figures)
        canvas = Canvas(scene, height=64, width=64)
        assert canvas.row(0, 8.0) > canvas.row(1.7, 8.0) > canvas.row(5.0, 8.0) == canvas.horizon


def test_the_description_says_that_nothing_is_a_photograph():
    assert "synthetic" in DATASETS.build("streets", {}, seed=0).description


def test_fingerprints_tell_datasets_apart():
    prints = {
        DATASETS.build("streets", args, seed=seed).fingerprint
        for args, seed in (({}, 0), ({}, 1), ({"height": 96}, 0), ({"train": 100}, 0), ({"test": 7}, 0))
    }
    assert len(prints) == 5
    assert DATASETS.build("streets", {"height": 64}, seed=0).fingerprint in prints


def test_every_wrong_size_is_named_at_once():
    with pytest.raises(ConfigError) as caught:
        DATASETS.build("streets", {"height": 8, "train": 0}, seed=0)
    assert len(caught.value.problems) == 2


def test_a_pickled_split_needs_to_draw_nothing():
    split = DATASETS.build("streets", {"train": 3, "validation": 2, "test": 2}, seed=0).train
    copy = pickle.loads(pickle.dumps(split))
    assert copy._decode is None
    assert torch.equal(copy.batch().target, split.batch().target)
    # Bytes, not floats: a picture and its labels are 4 bytes a pixel.
    assert len(pickle.dumps(split)) < 3 * 64 * 64 * 4 + 2000
