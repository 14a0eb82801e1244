"""What checking a dataset finds: every bad file, pictures that are there twice, sizes, modes, classes."""

import numpy as np
import pytest
from PIL import Image

from autogc.data import DATASETS
from autogc.data.check import check_dataset, check_folders
from autogc.errors import DataError


def photo(seed, height=16, width=24):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8))


@pytest.fixture
def root(tmp_path):
    for split, first in (("train", 0), ("validation", 10), ("test", 20)):
        (tmp_path / split).mkdir()
        (tmp_path / f"{split}-labels").mkdir()
        for index in range(3):
            photo(first + index).save(tmp_path / split / f"{index}.png")
            labels = np.zeros((16, 24), np.uint8)
            labels[:4], labels[4:6] = 1, 2  # a quarter of class 1, an eighth unlabelled
            Image.fromarray(labels).save(tmp_path / f"{split}-labels" / f"{index}.png")
    return tmp_path


def labelled(root):
    splits = {name: {"input": f"{name}-labels", "target": name} for name in ("train", "validation", "test")}
    arguments = {"root": str(root), **splits, "height": 16, "width": 24, "classes": ["a", "b"], "ignore_index": 2}
    return DATASETS.build("paired_folders", arguments, seed=0)


def test_a_sound_dataset(root):
    found = check_dataset(labelled(root))
    assert found.bad == [] and found.across == []
    assert [part.name for part in found.parts] == ["train", "validation", "test"]
    for part in found.parts:
        assert part.samples == 3 and part.files == 6 and part.repeated == []
        assert part.sizes == {(16, 24): 3} and part.modes == {"RGB": 3}
        assert part.unlabelled == 1 / 8
        assert np.allclose(part.shares(2), [5 / 7, 2 / 7])


def test_every_bad_file_is_named(root):
    (root / "train" / "0.png").write_bytes(b"nothing")
    (root / "train" / "2.png").write_bytes((root / "train" / "2.png").read_bytes()[:100])
    Image.fromarray(np.full((16, 24), 9, np.uint8)).save(root / "test-labels" / "1.png")
    found = check_dataset(labelled(root))
    assert len(found.bad) == 3
    for name in ("train/0.png", "train/2.png", "test-labels/1.png"):
        assert sum(name in problem for problem in found.bad) == 1
    assert len(found.parts[0].bad) == 2 and found.parts[1].bad == []


def test_pictures_that_are_there_twice(root):
    # The same pixels in another format and mode are the same picture.
    grey = Image.fromarray(np.random.default_rng(5).integers(0, 256, (16, 24)).astype(np.uint8))
    grey.save(root / "train" / "0.png")
    grey.convert("RGB").save(root / "test" / "1.png")
    photo(1).save(root / "train" / "2.png")
    found = check_dataset(labelled(root))
    assert found.bad == []
    assert [[name.rsplit("/", 2)[1:] for name in group] for group in found.parts[0].repeated] == [[["train", "1.png"], ["train", "2.png"]]]
    assert [[name.rsplit("/", 2)[1:] for name in group] for group in found.across] == [[["train", "0.png"], ["test", "1.png"]]]
    assert found.parts[0].modes == {"RGB": 2, "L": 1}


def test_one_folder_for_two_splits_is_told(root):
    folders = {"input": "train-labels", "target": "train"}
    arguments = {"root": str(root), **dict.fromkeys(("train", "validation", "test"), folders), "height": 16, "width": 24}
    data = DATASETS.build("paired_folders", {**arguments, "classes": ["a", "b"], "ignore_index": 2}, seed=0)
    assert [len(group) for group in check_dataset(data).across] == [3, 3, 3]


def test_large_and_small_pictures_that_do_not_fit(root):
    for split in ("train", "validation", "test"):
        (root / f"{split}-low").mkdir()
        for index in range(3):
            photo(index, 8, 12).save(root / f"{split}-low" / f"{index}.png")
    photo(0, 8, 11).save(root / "test-low" / "2.png")
    folders = {split: {"high": split, "low": f"{split}-low"} for split in ("train", "validation", "test")}
    data = DATASETS.build("super_resolution", {"root": str(root), **folders, "scale": 2, "crop": 8}, seed=0)
    found = check_dataset(data)
    assert len(found.bad) == 1 and "test-low/2.png is 11x8" in found.bad[0]
    with pytest.raises(DataError, match="not 2 times as large"):
        data.check()


def test_what_has_no_files_of_its_own():
    data = DATASETS.build("streets", {"train": 3, "validation": 2, "test": 2, "height": 32, "width": 32}, seed=0)
    found = check_dataset(data)
    assert [part.sizes[32, 32] for part in found.parts] == [3, 2, 2] and found.bad == []
    shares = found.parts[0].shares(len(data.class_names))
    labels = data.train.load().labels
    assert np.allclose(shares, np.bincount(labels[labels != 255], minlength=len(shares)) / (labels != 255).sum())


def test_folders(root):
    (root / "train" / "deeper").mkdir()
    photo(20).save(root / "train" / "deeper" / "copy.png")
    (root / "test" / "bad.jpg").write_bytes(b"")
    found = check_folders([root / "train", root / "test"])
    assert [part.samples for part in found.parts] == [4, 4]
    assert len(found.bad) == 1 and "bad.jpg" in found.bad[0]
    assert len(found.across) == 1 and found.across[0][0].endswith("deeper/copy.png")
    # A folder within the other: its files are not there twice.
    assert check_folders([root / "train", root / "train" / "deeper"]).across == []


def test_folders_that_are_missing_or_empty(root):
    (root / "empty").mkdir()
    assert "holds no images" in check_folders([root / "empty"]).bad[0]
    with pytest.raises(DataError, match=r"no such folder: .*one, .*two"):
        check_folders([root / "one", root, root / "two"])
