"""A small example of each registered dataset, built of files that are made here: 4, 3 and 2 samples. A new dataset adds one row."""

import gzip

import numpy as np
from PIL import Image

from autogc.data import DATASETS

COUNTS = {"train": 4, "validation": 3, "test": 2}
HEIGHT, WIDTH = 32, 48


def photos(folder, count, *, seed=0, height=HEIGHT, width=WIDTH, values=256, channels=3, name="{}.png"):
    """Write random pictures, no two alike; with one channel they are grey, or label maps of so many values."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng([seed, *str(folder.name).encode()])
    for index in range(count):
        shape = (height, width, 3) if channels == 3 else (height, width)
        Image.fromarray(generator.integers(0, values, shape).astype(np.uint8)).save(folder / name.format(index))


def build(name, path, *, seed=0, **arguments):
    return DATASETS.build(name, {"root": str(path), **arguments}, seed=seed)


def streets(path):
    return DATASETS.build("streets", {"height": 32, "width": 48, **COUNTS}, seed=0)


def labelled_folders(path):
    for split, count in COUNTS.items():
        photos(path / split / "in", count, values=4, channels=1)
        photos(path / split / "out", count)
    splits = {split: {"input": f"{split}/in", "target": f"{split}/out"} for split in COUNTS}
    return build("paired_folders", path, **splits, height=HEIGHT, width=WIDTH, classes=["a", "b", "c", "void"], ignore_index=3)


def picture_folders(path):
    for split, count in COUNTS.items():
        photos(path / split / "in", count)
        photos(path / split / "out", count)
    splits = {split: {"input": f"{split}/in", "target": f"{split}/out"} for split in COUNTS}
    return build("paired_folders", path, **splits, height=HEIGHT, width=WIDTH, input_kind="image")


def unpaired(path, **load):
    for folder, count in (("trainA", 7), ("trainB", 8), ("testA", 2), ("testB", 5)):
        photos(path / folder, count)
    return build("unpaired_folders", path, height=HEIGHT, width=WIDTH, validation_count=3, **load)


def unpaired_cropped(path):
    return unpaired(path, load_height=40, load_width=60)


def idx(path, count):
    """Write an idx file of random digits, gzipped where its name says so."""
    digits = np.random.default_rng(count).integers(0, 256, (count, 28, 28)).astype(np.uint8)
    content = np.asarray([0x0803, count, 28, 28], ">i4").tobytes() + digits.tobytes()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return digits


def digits(path, **arguments):
    idx(path / "train-images-idx3-ubyte", 7)
    idx(path / "t10k-images-idx3-ubyte.gz", 2)
    return build("mnist", path, noise=16, validation_count=3, **arguments)


def larger_digits(path):
    return digits(path, size=32, resize="bilinear")


def enlarging(path):
    for split, count in COUNTS.items():
        photos(path / split, count)
    splits = {split: {"high": split} for split in COUNTS}
    return build("super_resolution", path, **splits, scale=4, crop=16, height=HEIGHT, width=WIDTH)


def enlarging_pairs(path):
    for split, count in COUNTS.items():
        photos(path / split, count, name="{}_HR.png")
        photos(path / split, count, name="{}_LR.png", height=HEIGHT // 2, width=WIDTH // 2)
    splits = {split: {"high": split, "low": split} for split in COUNTS}
    return build("super_resolution", path, **splits, scale=2, crop=16, height=HEIGHT, width=WIDTH)


def celeba(path):
    photos(path / "img", 9, width=60, height=40, name="{:06d}.jpg")
    lines = [f"{index:06d}.jpg {1 if index % 2 else -1} -1 {-1 if index % 3 else 1}" for index in range(9)]
    (path / "list.txt").write_text("\n".join(["9", "Smiling Young Male", *lines]))
    (path / "partition.txt").write_text("\n".join(f"{index:06d}.jpg {[0, 0, 0, 0, 1, 1, 1, 2, 2][index]}" for index in range(9)))
    domains = {"domains": ["Male", "Smiling"], "table": "list.txt", "partition": "partition.txt"}
    return build("attributes", path, pictures="img", **domains, crop=32, height=HEIGHT, width=WIDTH)


EXAMPLES = {
    "streets": [streets],
    "paired_folders": [labelled_folders, picture_folders],
    "unpaired_folders": [unpaired, unpaired_cropped],
    "mnist": [digits, larger_digits],
    "super_resolution": [enlarging, enlarging_pairs],
    "attributes": [celeba],
}
