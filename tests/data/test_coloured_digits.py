"""The script that makes a set of many domains out of MNIST."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import label

from autogc.data import DATASETS
from autogc.errors import ConfigError

SCRIPT = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "datasets" / "coloured_digits.py"))
EIGHT = np.ones((3, 3))


def strokes(count):
    """Return digits of a sort: a ring, a bar and a curve of several widths."""
    y, x = np.mgrid[:28, :28] - 13.5
    made = []
    for index in range(count):
        radius, half = 6 + index % 3, 1.2 + index % 4 * 0.4
        ring = np.abs(np.hypot(x, y) - radius) < half
        bar = (np.abs(x - y / 3) < half) & (np.abs(y) < 9)
        made.append(np.where((ring, bar, ring & (x > -2))[index % 3], 255, 0))
    return np.stack(made).astype(np.uint8)


@pytest.fixture
def mnist(tmp_path):
    for name, count in (("train", 12), ("t10k", 6)):
        content = np.asarray([0x0803, count, 28, 28], ">i4").tobytes() + strokes(count).tobytes()
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(content)
    return tmp_path


def test_thinning_keeps_what_hangs_together_and_holes():
    shapes = strokes(12) > 128
    lines = SCRIPT["thinned"](shapes)
    assert not (lines & ~shapes).any()
    for shape, line in zip(shapes, lines, strict=True):
        assert label(line, EIGHT)[1] == label(shape, EIGHT)[1] == 1
        assert label(~line)[1] == label(~shape)[1]
        # One pixel wide: no block of 3 x 3 is left.
        assert not np.logical_and.reduce([line[a : 26 + a, b : 26 + b] for a in range(3) for b in range(3)]).any()


def test_the_set_that_it_writes(mnist, tmp_path):
    counts = {"train": 8, "validation": 4, "test": 5}
    SCRIPT["make"](mnist, tmp_path / "set", counts=counts, size=32, seed=3)
    assert "synthetic" in (tmp_path / "set" / "README.txt").read_text()
    arguments = {"root": str(tmp_path / "set"), "pictures": "pictures", "table": "attributes.txt", "partition": "partition.txt"}
    columns = list(SCRIPT["COLUMNS"])
    data = DATASETS.build("attributes", {**arguments, "domains": columns, "height": 32, "width": 32, "mirror": False}, seed=0)
    assert [len(split) for split in data.splits] == list(counts.values())
    ink = {"thin": [], "thick": []}
    for split in data.splits:
        samples = split.load()
        assert (samples.domains[:, :3].sum(1) == 1).all() and (samples.domains[:, 3:].sum(1) == 1).all()
        for picture, belongs in zip(samples.targets, samples.domains, strict=True):
            assert picture.reshape(3, -1).sum(1).argmax() == belongs[:3].argmax()
            ink["thick" if belongs[4] else "thin"].append((picture.max(0) > 60).mean())
    assert np.mean(ink["thick"]) > 1.5 * np.mean(ink["thin"])


def test_it_is_a_function_of_its_seed(mnist, tmp_path):
    counts = {"train": 3, "validation": 2, "test": 2}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        SCRIPT["make"](mnist, tmp_path / name, counts=counts, size=28, seed=seed)
    picture = {name: np.asarray(Image.open(tmp_path / name / "pictures" / "000000.png")) for name in "abc"}
    assert np.array_equal(picture["a"], picture["b"]) and not np.array_equal(picture["a"], picture["c"])


def test_more_digits_than_there_are(mnist, tmp_path):
    with pytest.raises(ConfigError, match="take 13 digits"):
        SCRIPT["make"](mnist, tmp_path / "set", counts={"train": 10, "validation": 3, "test": 1}, size=32, seed=0)
    assert not (tmp_path / "set").exists()
