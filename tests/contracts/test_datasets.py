"""What every registered dataset must do. A new dataset adds one row to ``EXAMPLES``."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from autogc.data import DATASETS, Dataset

SPLITS = ("train", "validation", "test")


def streets(_path):
    return DATASETS.build("streets", {"height": 32, "width": 48, "train": 4, "validation": 3, "test": 2}, seed=0)


def labelled_folders(path, input_kind="labels"):
    generator = np.random.default_rng(0)
    for split, count in zip(SPLITS, (4, 3, 2), strict=True):
        for index in range(count):
            for folder, image in (("in", generator.integers(0, 4, (32, 48))), ("out", generator.integers(0, 256, (32, 48, 3)))):
                (path / split / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(image.astype(np.uint8)).save(path / split / folder / f"{index}.png")
    splits = {split: {"input": f"{split}/in", "target": f"{split}/out"} for split in SPLITS}
    labels = {"classes": ["a", "b", "c", "void"], "ignore_index": 3} if input_kind == "labels" else {}
    arguments = {"root": str(path), **splits, "height": 32, "width": 48, "input_kind": input_kind, **labels}
    return DATASETS.build("paired_folders", arguments, seed=0)


def image_folders(path):
    return labelled_folders(path, input_kind="image")


EXAMPLES = {"streets": [streets], "paired_folders": [labelled_folders, image_folders]}


def test_every_dataset_has_an_example():
    assert set(EXAMPLES) == set(DATASETS)


@pytest.fixture(params=[build for builds in EXAMPLES.values() for build in builds], ids=lambda build: build.__name__)
def made(request, tmp_path):
    return request.param, tmp_path, request.param(tmp_path)


def test_batches_have_the_promised_shapes_types_and_ranges(made):
    data: Dataset = made[2]
    assert [split.name for split in data.splits] == list(SPLITS)
    for split in data.splits:
        batch = split.batch(slice(0, 2))
        assert batch.input.shape == (2, data.input_channels, data.height, data.width)
        assert batch.target.shape == (2, data.target_channels, data.height, data.width)
        for pictures in (batch.input, batch.target):
            assert pictures.dtype == torch.float32 and pictures.min() >= -1 and pictures.max() <= 1 and pictures.std() > 0
        assert (batch.labels is None) == (not data.class_names)
        if batch.labels is not None:
            assert batch.labels.dtype == torch.int64 and batch.labels.shape == (2, data.height, data.width)
            values = set(batch.labels.unique().tolist())
            assert values <= {*range(len(data.class_names)), data.ignore_index}
        assert batch.names == list(split.names[:2])


def test_indexing_agrees_with_iteration(made):
    split = made[2].train
    whole = split.batch()
    assert len(whole.names) == len(split) == 4
    assert torch.equal(split.batch(torch.tensor([3, 1])).target, whole.target[[3, 1]])
    assert torch.equal(torch.cat([batch.target for batch in split.batches(3)]), whole.target)
    assert [len(batch.names) for batch in split.batches(3)] == [3, 1]
    assert [name for batch in split.batches(2, limit=3) for name in batch.names] == list(split.names[:3])


def test_a_batch_can_be_changed_without_changing_the_split(made):
    split = made[2].train
    before = split.batch()
    changed = split.batch()
    for tensor in (changed.input, changed.target, changed.labels):
        if tensor is not None:
            tensor.zero_()
    assert torch.equal(split.batch().target, before.target) and torch.equal(split.batch().input, before.input)


def test_it_is_built_the_same_twice(made):
    build, path, data = made
    again = build(path)
    assert again.fingerprint == data.fingerprint and len(data.fingerprint) == 64
    for a, b in zip(again.splits, data.splits, strict=True):
        assert torch.equal(a.batch().input, b.batch().input) and torch.equal(a.batch().target, b.batch().target)


def test_splits_travel_to_workers(made):
    for split in made[2].splits:
        copy = pickle.loads(pickle.dumps(split))
        assert torch.equal(copy.batch().target, split.batch().target) and copy.names == split.names


def test_check_tells_progress_about_every_sample(made):
    class Counting:
        seen = 0

        def start(self, task, *, total, done=0):
            self.total = total

        def update(self, done, **figures):
            self.seen += 1

        def note(self, text):
            pass

    progress = Counting()
    made[0](made[1]).check(progress)
    assert progress.seen == 4 + 3 + 2
