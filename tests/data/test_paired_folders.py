"""Paired folders: all modes of files, and one clear error for each way in which folders can be wrong."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from autogc.data import DATASETS, filelist
from autogc.data.packed.write import pack
from autogc.errors import ConfigError, DataError

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SPLITS = {name: {"input": f"{name}-labels", "target": name} for name in ("train", "validation", "test")}
CLASSES = ["sky", "road", "void", "car"]


def label_map(index: int) -> np.ndarray:
    return ((np.arange(16)[:, None] // 4 + np.arange(24)[None, :] // 6 + index) % 4).astype(np.uint8)


def photo(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (16, 24, 3)).astype(np.uint8)


@pytest.fixture
def root(tmp_path):
    for split, count in (("train", 3), ("validation", 2), ("test", 2)):
        for index in range(count):
            for folder, image in ((f"{split}-labels", label_map(index)), (split, photo(index))):
                (tmp_path / folder).mkdir(exist_ok=True)
                Image.fromarray(image).save(tmp_path / folder / f"{index}.png")
    return tmp_path


def build(root, **changed):
    arguments = {"root": str(root), **SPLITS, "height": 16, "width": 24, "classes": CLASSES, "ignore_index": 2} | changed
    return DATASETS.build("paired_folders", arguments, seed=0)


def test_labels_become_classes_without_the_ignored_one(root):
    data = build(root)
    assert data.class_names == ("sky", "road", "car")
    assert data.input_channels == 4
    batch = data.train.batch()
    file = torch.from_numpy(np.stack([label_map(index) for index in range(3)])).long()
    expected = torch.tensor([0, 1, data.ignore_index, 2])[file]
    assert torch.equal(batch.labels, expected)
    assert torch.equal(batch.target, torch.from_numpy(np.stack([photo(index) for index in range(3)])).permute(0, 3, 1, 2) / 127.5 - 1)
    # One channel a class, the last one for what is unlabelled.
    channel = torch.where(expected == data.ignore_index, 3, expected)
    assert torch.equal(batch.input.argmax(1), channel)
    assert torch.equal(batch.input.unique(), torch.tensor([-1.0, 1.0]))
    assert torch.equal((batch.input == 1).sum(1), torch.ones_like(channel))


def test_an_ignored_value_beyond_the_list_needs_no_name(root):
    labels = label_map(0)
    labels[labels == 2] = 255
    Image.fromarray(labels).save(root / "train-labels" / "0.png")
    for folder in ("train-labels", "validation-labels", "test-labels"):
        for path in (root / folder).iterdir():
            values = np.array(Image.open(path))
            Image.fromarray(np.where(values >= 2, 255, values).astype(np.uint8)).save(path)
    data = build(root, classes=["sky", "road"], ignore_index=255)
    assert data.class_names == ("sky", "road") and data.input_channels == 3
    assert set(data.train.batch().labels.unique().tolist()) == {0, 1, 255}


def test_classes_may_be_a_file_beside_the_images(root):
    (root / "names.txt").write_text("\n".join(CLASSES) + "\n")
    assert build(root, classes="names.txt").fingerprint == build(root).fingerprint


def test_images_to_images(root):
    data = build(root, input_kind="image", classes=None, ignore_index=None, train={"input": "train", "target": "train"})
    assert data.class_names == () and data.input_channels == 3
    batch = data.train.batch()
    assert batch.labels is None
    assert torch.equal(batch.input, batch.target)


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGBA", "RGB", "1", "I;16"])
def test_photos_of_every_mode(root, mode):
    grey = (label_map(0) * 60).astype(np.uint8)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
        assert image.mode.startswith("I")
        expected = grey
    elif mode == "1":
        image = Image.fromarray(grey > 60)
        expected = np.where(grey > 60, 255, 0)
    else:
        image = Image.fromarray(grey).convert(mode)
        expected = grey
    image.save(root / "train" / "0.png")
    picture = build(root).train.load().targets[0]
    assert np.array_equal(picture, np.broadcast_to(expected, (3, 16, 24)))


def test_what_is_transparent_is_white(root):
    clear = np.zeros((16, 24, 4), np.uint8)
    clear[:8, :, 3] = 255
    Image.fromarray(clear).save(root / "train" / "0.png")
    picture = build(root).train.load().targets[0]
    assert (picture[:, :8] == 0).all() and (picture[:, 8:] == 255).all()


def test_palette_labels_give_their_indices(root):
    image = Image.fromarray(label_map(0))
    image.putpalette([value for index in range(256) for value in (255 - index, 7, index)])
    assert image.mode == "P"
    image.save(root / "train-labels" / "0.png")
    assert torch.equal(build(root).train.batch([0]).labels, torch.tensor([0, 1, 255, 2])[torch.from_numpy(label_map(0)).long()][None])


def test_resizing_keeps_labels_labels(root):
    data = build(root, height=40, width=12)
    batch = data.train.batch()
    assert batch.target.shape == (3, 3, 40, 12) and batch.labels.shape == (3, 40, 12)
    assert set(batch.labels.unique().tolist()) <= {0, 1, 2, 255}


def test_limit_takes_the_first_by_name(root):
    assert build(root, limit=2).train.names == ("0", "1")


def test_the_fingerprint_follows_the_bytes(root):
    before = build(root).fingerprint
    assert build(root).fingerprint == before != build(root, height=24).fingerprint
    Image.fromarray(photo(9)).save(root / "test" / "1.png")
    assert build(root).fingerprint != before


def test_a_missing_root(tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist"):
        build(tmp_path / "nowhere")


def test_a_missing_folder_names_those_that_are_there(root):
    with pytest.raises(DataError, match=r"trian does not exist; .* has .*train-labels"):
        build(root, train={"input": "train-labels", "target": "trian"})


def test_an_empty_folder(root):
    (root / "empty").mkdir()
    with pytest.raises(DataError, match=r"validation: .*empty holds no images"):
        build(root, validation={"input": "empty", "target": "validation"})


def test_unpaired_names_are_counted_and_the_first_listed(root):
    for index in range(5):
        Image.fromarray(photo(index)).save(root / "train" / f"extra{index}.png")
    (root / "train" / "2.png").unlink()
    with pytest.raises(DataError, match=r"train: .*1 only in .*train-labels: 2; 5 only in .*train: extra0, extra1, extra2, \.\.\."):
        build(root)


def test_two_files_of_one_name(root):
    Image.fromarray(photo(0)).save(root / "train" / "0.jpg")
    with pytest.raises(DataError, match=r"0\.jpg and .*0\.png have the same name"):
        build(root)


@pytest.mark.parametrize("folder", ["test", "test-labels"])
@pytest.mark.parametrize("content", [b"", b"not an image", None])
def test_an_undecodable_file_is_named_by_check(root, folder, content):
    path = root / folder / "1.png"
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    data = build(root)
    with pytest.raises(DataError, match=rf"{folder}/1.png cannot be decoded"):
        data.check()


def test_a_label_that_no_class_has(root):
    labels = label_map(1)
    labels[3, 5] = 77
    Image.fromarray(labels).save(root / "validation-labels" / "1.png")
    with pytest.raises(DataError, match=r"validation-labels/1.png holds the label value 77: accepted are 0..3"):
        build(root).check()


def test_labels_in_colour(root):
    Image.fromarray(photo(0)).save(root / "train-labels" / "0.png")
    with pytest.raises(DataError, match=r"0.png is a colour image"):
        build(root).check()


def test_all_wrong_arguments_are_said_at_once(root):
    with pytest.raises(ConfigError) as caught:
        build(root, height=2, limit=0, input_kind="label", train={"inputs": "a"})
    assert len(caught.value.problems) == 4


def test_labels_need_classes(root):
    with pytest.raises(ConfigError, match="needs classes"):
        build(root, classes=None)


@pytest.mark.data
def test_camvid():
    root = SHARED / "camvid-256x192"
    if not root.is_dir():
        pytest.skip(f"the real images are not there: {root}")
    folders = {"train": ("trainannot", "train"), "validation": ("valannot", "val"), "test": ("testannot", "test")}
    splits = {name: {"input": labels, "target": photos} for name, (labels, photos) in folders.items()}
    data = build(root, **splits, classes="classes.txt", ignore_index=11, height=48, width=64)
    assert [len(split) for split in data.splits] == [367, 101, 233]
    assert len(data.class_names) == 11 and data.input_channels == 12
    data.validation.load()
    batch = data.validation.batch([0])
    assert batch.input.shape == (1, 12, 48, 64) and batch.target.abs().max() <= 1


# Labels that are judged at their own size


def judged_by(root, folder="{}-labels", **changed):
    splits = {name: {**SPLITS[name], "judged": folder.format(name)} for name in ("validation", "test")}
    return build(root, **splits, **changed)


def test_labels_are_judged_at_their_own_size(root):
    data, resized = judged_by(root, height=8, width=12), build(root, height=8, width=12)
    assert data.fingerprint != resized.fingerprint
    batch = data.test.batch()
    own = torch.tensor([0, 1, 255, 2])[torch.from_numpy(np.stack([label_map(index) for index in range(2)])).long()]
    assert torch.equal(batch.truth, own.to(torch.uint8)) and batch.truth.shape == (2, 16, 24)
    assert (data.test.label_size, resized.test.label_size) == ("24x16", "12x8")
    # What generators are given and networks are trained with stays as it is.
    assert torch.equal(batch.labels, resized.test.batch().labels) and torch.equal(batch.input, resized.test.batch().input)
    assert data.train.batch().judged is None and data.train.batch().truth.shape == (3, 8, 12)


@pytest.mark.parametrize("limit", [filelist.MEMORY_LIMIT, 0])
def test_judged_labels_of_different_sizes_come_in_batches_of_one_size(root, tmp_path, monkeypatch, limit):
    monkeypatch.setattr(filelist, "MEMORY_LIMIT", limit)
    for split in ("validation", "test"):
        Image.fromarray(label_map(2)).save(root / f"{split}-labels" / "2.png")
        Image.fromarray(photo(2)).save(root / split / "2.png")
        Image.fromarray(label_map(1)[:10]).save(root / f"{split}-labels" / "1.png")
    data = judged_by(root)
    pack(data, tmp_path / "packed")
    for one in (data, DATASETS.build("parquet", {"root": str(tmp_path / "packed")}, seed=0)):
        batches = list(one.test.batches(16))
        assert [tuple(batch.truth.shape) for batch in batches] == [(1, 16, 24), (1, 10, 24), (1, 16, 24)]
        assert [name for batch in batches for name in batch.names] == ["0", "1", "2"]
        assert one.test.label_size == "the files' own"
        assert torch.equal(batches[1].truth[0], data.test.batch([1]).truth[0])


def test_judged_labels_are_for_validation_and_test(root):
    with pytest.raises(ConfigError, match=r"judged must be given for validation and test or neither, not \['test'\] alone"):
        build(root, test={**SPLITS["test"], "judged": "test-labels"})
    with pytest.raises(ConfigError, match=r"train must be \{input: FOLDER, target: FOLDER, instances: FOLDER \(optional\)\}"):
        build(root, train={**SPLITS["train"], "judged": "train-labels"})
    with pytest.raises(ConfigError, match="instances and judged belong to input_kind labels"):
        judged_by(root, input_kind="image", classes=None, ignore_index=None)
    (root / "test-labels-large").mkdir()
    Image.fromarray(label_map(0)).save(root / "test-labels-large" / "0.png")
    (root / "validation-labels-large").mkdir()
    with pytest.raises(DataError, match=r"(?s)validation-labels-large holds no images .*test: files are paired by name .* no partner"):
        judged_by(root, folder="{}-labels-large")
