"""Training order: a function of seed and step, whatever the number of workers and wherever it was resumed."""

from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autogc.data import DATASETS, training_batches
from autogc.errors import ConfigError

SPLIT = DATASETS.build("streets", {"train": 7, "validation": 2, "test": 2, "height": 32, "width": 32}, seed=0).train


def take(count, **arguments):
    return list(islice(training_batches(SPLIT, **arguments), count))


@settings(max_examples=15, deadline=None)
@given(start=st.integers(0, 40), seed=st.integers(0, 5))
def test_resuming_at_a_step_gives_that_steps_batch(start, seed):
    whole = take(start + 2, batch_size=3, seed=seed)
    resumed = take(2, batch_size=3, seed=seed, start_step=start)
    for a, b in zip(whole[start:], resumed, strict=True):
        assert a.names == b.names
        assert torch.equal(a.target, b.target) and torch.equal(a.input, b.input)


@pytest.mark.parametrize("workers", [2, 3, 6])
def test_the_workers_parts_make_the_whole_batch(workers):
    whole = take(4, batch_size=6, seed=1)
    parts = [take(4, batch_size=6, seed=1, rank=rank, workers=workers) for rank in range(workers)]
    for step, batch in enumerate(whole):
        assert torch.equal(batch.target, torch.cat([part[step].target for part in parts]))
        assert batch.names == [name for part in parts for name in part[step].names]


def test_each_pass_shows_each_sample_once_in_another_order():
    names = [name for batch in take(14, batch_size=2, seed=0) for name in batch.names]
    passes = [names[start : start + 7] for start in range(0, 28, 7)]
    assert all(sorted(one) == sorted(SPLIT.names) for one in passes)
    assert len({tuple(one) for one in passes}) > 1


def test_a_batch_may_be_larger_than_the_split():
    batch = take(1, batch_size=20, seed=0)[0]
    assert len(batch.names) == 20 and set(batch.names) == set(SPLIT.names)


def test_flips_mirror_input_target_and_labels_together_about_half_the_time():
    plain = {name: index for index, name in enumerate(SPLIT.names)}
    whole = SPLIT.batch()
    everything = (whole.input, whole.target, whole.labels)
    mirrored = 0
    for batch in take(60, batch_size=2, seed=0):
        for place, name in enumerate(batch.names):
            index = plain[name]
            is_flipped = not torch.equal(batch.target[place], whole.target[index])
            expected = [value[index].flip(-1) if is_flipped else value[index] for value in everything]
            for value, wanted in zip((batch.input, batch.target, batch.labels), expected, strict=True):
                assert torch.equal(value[place], wanted)
            mirrored += is_flipped
    assert 40 <= mirrored <= 80


def test_flips_can_be_turned_off(monkeypatch):
    monkeypatch.setattr(SPLIT, "mirror", False)
    for batch in take(10, batch_size=2, seed=0):
        for place, name in enumerate(batch.names):
            assert torch.equal(batch.target[place], SPLIT.batch([SPLIT.names.index(name)]).target[0])


def test_workers_that_cannot_share_a_batch_are_told_what_would_work():
    with pytest.raises(ConfigError, match="multiple of 3"):
        training_batches(SPLIT, 4, seed=0, workers=3)
