"""What every registered dataset must do. A new dataset adds one row to ``dataset_examples.EXAMPLES``."""

import pickle
from itertools import islice

import pytest
import torch
from dataset_examples import COUNTS, EXAMPLES

from autogc.data import DATASETS, Dataset, training_batches
from autogc.data import filelist as filelist_module
from autogc.data.inputs import NoiseInput
from autogc.data.packed.write import pack

FIELDS = ("input", "target", "labels", "domains", "wanted", "judged")


def test_every_dataset_has_an_example():
    assert set(EXAMPLES) == set(DATASETS)


@pytest.fixture(params=[build for builds in EXAMPLES.values() for build in builds], ids=lambda build: build.__name__)
def made(request, tmp_path):
    return request.param, tmp_path, request.param(tmp_path)


def same(a, b) -> bool:
    """Whether two batches are bit for bit the same."""
    pairs = [(getattr(a, name), getattr(b, name)) for name in FIELDS]
    return a.names == b.names and all(x is y is None or torch.equal(x, y) for x, y in pairs)


def take(split, count, **arguments):
    return list(islice(training_batches(split, **arguments), count))


def test_batches_have_the_promised_shapes_types_and_ranges(made):
    data: Dataset = made[2]
    assert [split.name for split in data.splits] == list(COUNTS)
    assert len(data.train) == COUNTS["train"] and all(len(split) >= 2 for split in data.splits)
    for split in data.splits:
        batch = split.batch(slice(0, 2))
        height, width = split.crop or (data.height, data.width)
        if isinstance(data.train.input, NoiseInput):
            assert batch.input.shape == (2, *data.input_shape)
        else:
            assert batch.input.shape == (2, data.input_channels, height // split.scale, width // split.scale)
            assert batch.input.min() >= -1 and batch.input.max() <= 1
        assert batch.target.shape == (2, data.target_channels, height, width)
        assert batch.target.min() >= -1 and batch.target.max() <= 1
        for pictures in (batch.input, batch.target):
            assert pictures.dtype == torch.float32 and pictures.std() > 0
        assert (batch.labels is None) == (not data.class_names)
        if batch.labels is not None:
            assert batch.labels.dtype == torch.int64 and batch.labels.shape == (2, height, width)
            values = set(batch.labels.unique().tolist())
            assert values <= {*range(len(data.class_names)), data.ignore_index}
        if batch.judged is not None:
            assert batch.judged.dtype == torch.uint8 and len(batch.judged) == 2 and split is not data.train
            assert set(batch.judged.unique().tolist()) <= {*range(len(data.class_names)), data.ignore_index}
            assert batch.truth is batch.judged
        assert batch.names == list(split.names[:2]) and len(set(split.names)) == len(split)
    assert data.height == data.input_shape[1] * data.train.scale or isinstance(data.train.input, NoiseInput)


def test_domains_are_those_of_the_pictures_and_are_asked_for_behind_them(made):
    data = made[2]
    for split in data.splits:
        batch = split.batch()
        assert (batch.domains is None) == (not data.domain_names) == (batch.wanted is None)
        if batch.domains is None:
            continue
        assert batch.domains.shape == batch.wanted.shape == (len(split), len(data.domain_names))
        assert set(batch.domains.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(batch.input[:, :3], batch.target)
        maps = batch.wanted[:, :, None, None].expand_as(batch.input[:, 3:])
        assert torch.equal(batch.input[:, 3:], maps)
        if data.exclusive_domains:
            assert torch.equal(batch.domains.sum(1), torch.ones(len(split)))


def test_indexing_agrees_with_iteration(made):
    split = made[2].train
    whole = split.batch()
    assert len(whole.names) == len(split) == 4
    assert torch.equal(split.batch(torch.tensor([3, 1])).target, whole.target[[3, 1]])
    assert torch.equal(torch.cat([batch.target for batch in split.batches(3)]), whole.target)
    assert [len(batch.names) for batch in split.batches(3)] == [3, 1]
    assert [name for batch in split.batches(2, limit=3) for name in batch.names] == list(split.names[:3])


def test_real_pictures_are_of_the_size_of_generated_ones(made):
    data = made[2]
    for split in (data.validation, data.test):
        real = torch.cat(list(split.real_batches(2)))
        assert real.shape[1:] == data.target_shape
        if split.paired:
            assert torch.equal(real, split.batch().target)
        else:
            assert len(real) == sum(len(one.load().targets) for one in split.references or (split,))


def test_a_batch_can_be_changed_without_changing_the_split(made):
    split = made[2].train
    before = split.batch()
    changed = split.batch()
    for name in FIELDS:
        if getattr(changed, name) is not None:
            getattr(changed, name).zero_()
    assert same(split.batch(), before)


def test_it_is_built_the_same_twice(made):
    build, path, data = made
    again = build(path)
    assert again.fingerprint == data.fingerprint and len(data.fingerprint) == 64
    assert all(same(a.batch(), b.batch()) for a, b in zip(again.splits, data.splits, strict=True))


def test_training_resumes_anywhere_and_is_shared_by_any_number_of_workers(made):
    split = made[2].train
    whole = take(split, 5, batch_size=6, seed=3)
    resumed = take(split, 2, batch_size=6, seed=3, start_step=3)
    assert all(same(a, b) for a, b in zip(whole[3:], resumed, strict=True))
    parts = [take(split, 5, batch_size=6, seed=3, rank=rank, workers=3) for rank in range(3)]
    for step, batch in enumerate(whole):
        assert torch.equal(batch.target, torch.cat([part[step].target for part in parts]))
        assert torch.equal(batch.input, torch.cat([part[step].input for part in parts]))


def test_splits_travel_to_workers(made):
    for split in made[2].splits:
        assert same(pickle.loads(pickle.dumps(split)).batch(), split.batch())


def test_what_does_not_fit_in_memory_is_the_same(made, monkeypatch):
    build, path, data = made
    monkeypatch.setattr(filelist_module, "MEMORY_LIMIT", 0)
    lazy = build(path)
    lazy.check()
    for split, expected in zip(lazy.splits, data.splits, strict=True):
        assert same(split.batch(), expected.batch())
        assert same(pickle.loads(pickle.dumps(split)).batch(), expected.batch())
    assert all(
        same(a, b) for a, b in zip(take(lazy.train, 3, batch_size=2, seed=0), take(data.train, 3, batch_size=2, seed=0), strict=True)
    )


def test_check_tells_progress_how_far_it_is(made):
    class Counting:
        total = done = tasks = 0

        def start(self, task, *, total, done=0):
            assert self.done == self.total, "the task before was finished"
            self.total, self.done = total, done
            self.tasks += 1

        def update(self, done, **figures):
            assert self.done < done <= self.total
            self.done = done

        def note(self, text):
            pass

    progress = Counting()
    made[0](made[1]).check(progress)
    assert progress.tasks >= 3 and progress.done == progress.total


@pytest.mark.parametrize("limit", [filelist_module.MEMORY_LIMIT, 0], ids=["in memory", "group by group"])
def test_packed_it_trains_the_same(made, tmp_path_factory, monkeypatch, limit):
    data = made[2]
    directory = tmp_path_factory.mktemp("packed") / "set"
    pack(data, directory, rows_per_shard=3)
    monkeypatch.setattr(filelist_module, "MEMORY_LIMIT", limit)
    packed = DATASETS.build("parquet", {"root": str(directory)}, seed=99)
    packed.check()
    for name in ("fingerprint", "kind", "input_shape", "target_shape", "class_names", "domain_names", "exclusive_domains", "ignore_index"):
        assert getattr(packed, name) == getattr(data, name)
    for ours, theirs in zip(packed.splits, data.splits, strict=True):
        assert ours.dataset == theirs.dataset
        assert same(ours.batch(), theirs.batch()) and same(pickle.loads(pickle.dumps(ours)).batch(), theirs.batch())
        for a, b in zip(ours.real_batches(2), theirs.real_batches(2), strict=True):
            assert torch.equal(a, b)
        for a, b in zip(take(ours, 5, batch_size=3, seed=1), take(theirs, 5, batch_size=3, seed=1), strict=True):
            assert same(a, b)
