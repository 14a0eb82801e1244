"""The real images beside the checkout: their counts, sizes and known facts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from autogc.data import DATASETS, training_batches

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.data


def folder(name: str) -> str:
    if not (SHARED / name).is_dir():
        pytest.skip(f"the real images are not there: {SHARED / name}")
    return str(SHARED / name)


def test_monet2photo():
    arguments = {"root": folder("monet2photo"), "height": 64, "width": 64, "validation_count": 30, "source": "B", "target": "A"}
    data = DATASETS.build("unpaired_folders", arguments, seed=0)
    assert data.kind == "unpaired" and "monet2photo 64x64, B to A" in data.description
    assert [len(split) for split in data.splits] == [354, 30, 50]
    batch = next(training_batches(data.validation, 8, seed=0))
    assert batch.input.shape == batch.target.shape == (8, 3, 64, 64)
    # Compared with all of Monet's paintings, in training and test folders.
    assert sum(len(split.load().targets) for split in data.test.references) == 300


def test_mnist():
    data = DATASETS.build("mnist", {"root": folder("mnist"), "noise": 8, "size": 32, "validation_count": 5000}, seed=0)
    assert [len(split) for split in data.splits] == [55_000, 5_000, 10_000]
    pictures = data.test.load().targets
    # The mean of MNIST's test digits is 0.1325 (of 28 x 28 pixels); the border is black.
    assert abs(pictures.mean() / 255 * 32 * 32 / 28 / 28 - 0.1325) < 1e-4
    assert not pictures[..., :2, :].any() and data.target_shape == (1, 32, 32)
    together = np.concatenate([data.train.load().targets, data.validation.load().targets])
    assert abs(together.mean() / 255 * 32 * 32 / 28 / 28 - 0.1307) < 1e-4


def test_super_resolution():
    root = folder("sr")
    folders = {"train": {"high": "T91"}} | {
        name: {"high": f"{name_of}/x4/HR", "low": f"{name_of}/x4/LR"} for name, name_of in (("validation", "Set5"), ("test", "Set14"))
    }
    data = DATASETS.build("super_resolution", {"root": root, **folders, "scale": 4, "crop": 96}, seed=0)
    assert data.description.endswith("training pictures smaller than a crop, left out: 1 of 90; grey: 1 of 108")
    assert [len(split) for split in data.splits] == [89, 5, 14]
    assert data.input_shape == (3, 24, 24) and data.target_shape == (3, 96, 96)
    batch = next(training_batches(data.train, 4, seed=0))
    assert batch.input.shape == (4, 3, 24, 24) and batch.target.shape == (4, 3, 96, 96)
    sizes = {tuple(batch.target.shape[1:]) for batch in data.test.batches(16)}
    assert len(sizes) == 10 and all(4 * batch.input.shape[-1] == batch.target.shape[-1] for batch in data.test.batches(16))
    # The set's own small pictures are bicubic ones: those made here are nearly the same.
    made = DATASETS.build(
        "super_resolution", {"root": root, **folders, "validation": {"high": "Set5/x4/HR"}, "scale": 4, "crop": 96}, seed=0
    )
    for ours, theirs in zip(made.validation.batches(1), data.validation.batches(1), strict=True):
        assert torch.equal(ours.target, theirs.target)
        assert (ours.input - theirs.input).abs().mean() * 127.5 < 1.0
