"""The layouts that people have: which file becomes which sample, and what is said when something is wrong."""

import gzip
import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from autogc.data import DATASETS, training_batches
from autogc.data.cityscapes import CLASSES
from autogc.data.listing import hold_out
from autogc.errors import ConfigError, DataError


def pixels(seed, height=16, width=24, channels=3):
    shape = (height, width, 3) if channels == 3 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def signed(values):
    return torch.from_numpy(values).permute(2, 0, 1) / 127.5 - 1


def build(name, root, *, seed=0, **arguments):
    return DATASETS.build(name, {"root": str(root), **arguments}, seed=seed)


# Held out


def test_what_is_held_out_depends_on_the_seed_and_little_on_the_rest():
    items = [f"{index}.png" for index in range(50)]
    kept, held = hold_out(items, 10, seed=1, key=str)
    assert len(held) == 10 and sorted(kept + held) == sorted(items) and kept == sorted(kept, key=items.index)
    assert hold_out(items, 10, seed=1, key=str)[1] == held != hold_out(items, 10, seed=2, key=str)[1]
    assert len(set(hold_out([*items, "new.png"], 10, seed=1, key=str)[1]) - set(held)) <= 1


# Pairs side by side


@pytest.fixture
def halves(tmp_path):
    for part, count in (("train", 5), ("test", 2)):
        for index in range(count):
            save(tmp_path / part / f"{index}.png", pixels(index, 16, 48))
    return tmp_path


@pytest.mark.parametrize(("direction", "given"), [("a_to_b", 0), ("b_to_a", 1)])
def test_directions(halves, direction, given):
    data = build("side_by_side", halves, height=16, width=24, validation_count=2, direction=direction)
    assert [len(split) for split in data.splits] == [3, 2, 2]
    whole = pixels(1, 16, 48)
    parts = (signed(whole[:, :24].copy()), signed(whole[:, 24:].copy()))
    batch = data.test.batch([1])
    assert torch.equal(batch.input[0], parts[given]) and torch.equal(batch.target[0], parts[1 - given])


def test_training_is_cropped_out_of_a_larger_size(halves):
    data = build("side_by_side", halves, height=16, width=24, validation_count=2, load_height=20, load_width=30)
    assert data.train.load().targets.shape[2:] == (20, 30) and data.test.load().targets.shape[2:] == (16, 24)
    seen = set()
    for batch in itertools.islice(training_batches(data.train, 4, seed=0), 20):
        assert batch.input.shape[2:] == batch.target.shape[2:] == (16, 24)
        for given, made, name in zip(batch.input, batch.target, batch.names, strict=True):
            place = data.train.names.index(name)
            large = data.train.load()
            for mirrored in (False, True):
                for top, left in itertools.product(range(5), range(7)):
                    cut = (slice(None), slice(top, top + 16), slice(left, left + 24))
                    pair = [torch.from_numpy(np.ascontiguousarray(one[place][cut])) / 127.5 - 1 for one in (large.inputs, large.targets)]
                    pair = [one.flip(-1) for one in pair] if mirrored else pair
                    if torch.equal(pair[0], given) and torch.equal(pair[1], made):
                        seen.add((top, left, mirrored))
    assert len({mirrored for *_, mirrored in seen}) == 2 and len(seen) > 20


def test_an_odd_width_has_no_halves(halves):
    save(halves / "test" / "1.png", pixels(0, 16, 47))
    with pytest.raises(DataError, match=r"test/1.png is 47 pixels wide"):
        build("side_by_side", halves, height=16, width=24, validation_count=2).check()


def test_side_by_side_says_all_that_is_wrong(halves):
    with pytest.raises(ConfigError) as caught:
        build("side_by_side", halves, height=1, width=24, direction="left", load_height=20, validation_count=0)
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigError, match="leaves nothing of 5 pairs"):
        build("side_by_side", halves, height=16, width=24, validation_count=5)
    with pytest.raises(DataError, match=r"(?s)tset does not exist; .* has .*train.*vla does not exist"):
        build("side_by_side", halves, height=16, width=24, test="tset", validation="vla")


# Unpaired folders


@pytest.fixture
def domains(tmp_path):
    for number, (folder, count) in enumerate((("trainA", 6), ("trainB", 9), ("testA", 3), ("testB", 4))):
        for index in range(count):
            save(tmp_path / folder / f"{index}.png", pixels(100 * number + index))
    return tmp_path


def test_generated_pictures_are_compared_with_training_and_test_pictures_together(domains):
    data = build("unpaired_folders", domains, height=16, width=24, validation_count=2)
    assert data.kind == "unpaired" and [len(split) for split in data.splits] == [4, 2, 3]
    real = torch.cat(list(data.test.real_batches(4)))
    files = sorted([*(domains / "trainB").iterdir(), *(domains / "testB").iterdir()])
    expected = torch.stack([signed(np.asarray(Image.open(path)).copy()) for path in files])
    assert sorted(one.sum().item() for one in real) == sorted(one.sum().item() for one in expected)
    assert sum(len(one) for one in data.validation.real_batches(4)) == 9


def test_references_have_the_size_of_generated_pictures(domains):
    data = build("unpaired_folders", domains, height=16, width=24, validation_count=2, load_height=32, load_width=48)
    assert data.train.load().targets.shape[2:] == (32, 48)
    assert {tuple(one.shape[1:]) for one in data.test.real_batches(4)} == {(3, 16, 24)}
    batch = next(training_batches(data.train, 2, seed=0))
    assert batch.input.shape == batch.target.shape == (2, 3, 16, 24)


def test_sides_can_be_swapped_and_have_orders_of_their_own(domains):
    data = build("unpaired_folders", domains, height=16, width=24, validation_count=2, source="B", target="A")
    assert len(data.train) == 7 and len(data.train.load().targets) == 4
    batches = list(itertools.islice(training_batches(data.train, 7, seed=0), 4))
    targets = {tuple(one.flatten()[:8].abs().tolist()) for batch in batches for one in batch.target}
    assert len(targets) >= 4
    pairs = {
        (name, tuple(sorted(one.flatten().tolist())[:5])) for batch in batches for name, one in zip(batch.names, batch.target, strict=True)
    }
    assert len(pairs) > 7  # an input meets another picture in another pass


def test_unpaired_folders_say_what_is_missing(domains):
    with pytest.raises(DataError, match=r"(?s)trainC does not exist.*testC does not exist"):
        build("unpaired_folders", domains, height=16, width=24, validation_count=2, target="C")
    with pytest.raises(ConfigError, match="must differ"):
        build("unpaired_folders", domains, height=16, width=24, validation_count=2, target="A")


# MNIST


def idx(path, digits, *, magic=0x0803):
    content = np.asarray([magic, *digits.shape], ">i4").tobytes() + digits.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def digits(tmp_path):
    values = np.random.default_rng(0).integers(1, 256, (9, 28, 28)).astype(np.uint8)
    idx(tmp_path / "train-images-idx3-ubyte.gz", values)
    idx(tmp_path / "t10k-images-idx3-ubyte", values[:3])
    return tmp_path, values


def test_digits_are_padded_or_resized(digits):
    root, values = digits
    data = build("mnist", root, size=32, validation_count=4, noise=5)
    assert data.target_shape == (1, 32, 32) and data.input_shape == (5, 1, 1) and data.kind == "unconditional"
    pictures = data.test.load().targets
    assert np.array_equal(pictures[:, 0, 2:30, 2:30], values[:3])
    assert pictures.sum() == values[:3].sum(dtype=np.int64)
    resized = build("mnist", root, size=14, resize="bilinear", validation_count=4).test.load().targets
    assert resized.shape == (3, 1, 14, 14) and abs(resized.mean() - values[:3].mean()) < 2


def test_digits_held_out_are_not_trained_on(digits):
    root, values = digits
    data = build("mnist", root, validation_count=4, train_count=3, test_count=2, generate=7)
    assert [len(split) for split in data.splits] == [3, 7, 7]
    counts = [len(split.load().targets) for split in data.splits]
    assert counts == [3, 4, 2] and not data.train.mirror
    together = np.concatenate([data.train.load().targets, data.validation.load().targets])
    assert len({one.tobytes() for one in together} & {one.tobytes() for one in values}) == 7
    assert len(list(data.test.batches(4))) == 2


def test_noise_is_standard_normal_and_its_own(digits):
    data = build("mnist", digits[0], validation_count=4, noise=64, generate=50)
    noise = data.test.batch().input
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05
    assert not torch.equal(noise[0], noise[1]) and not torch.equal(noise[0], data.validation.batch([0]).input[0])
    assert torch.equal(build("mnist", digits[0], validation_count=4, noise=64, generate=9).test.batch().input, noise[:9])


def test_files_that_are_not_mnists(digits, tmp_path):
    root, values = digits
    path = root / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match="damaged: it should hold 3 digits"):
        build("mnist", root, validation_count=4).check()
    idx(path, values[:3], magic=0x0801)
    with pytest.raises(DataError, match="not an idx file"):
        build("mnist", root, validation_count=4)
    (root / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8bnothing")
    with pytest.raises(DataError, match=r"gz cannot be read .* download it again"):
        build("mnist", root, validation_count=4)
    path.unlink()
    with pytest.raises(DataError, match="neither t10k-images-idx3-ubyte nor"):
        build("mnist", root, validation_count=4)


# Super-resolution


def test_small_pictures_are_made_by_antialiased_bicubic_reduction(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / f"{name}.png", pixels(ord(name), 34, 27))
    folders = {split: {"high": "."} for split in ("train", "validation", "test")}
    data = build("super_resolution", tmp_path, **folders, scale=4, crop=16)
    batch = data.test.batch([0])
    assert batch.target.shape == (1, 3, 32, 24) and batch.input.shape == (1, 3, 8, 6)
    assert torch.equal(batch.target[0], signed(pixels(ord("a"), 34, 27)[:32, :24].copy()))
    # The same by matrices: Keys' cubic with a = -0.5, widened by the scale, over each axis (8 bits between the two).
    columns, rows = reduction(24, 4), reduction(32, 4)
    exact = np.einsum("rh,hwc,kw->rkc", rows, pixels(ord("a"), 34, 27)[:32, :24].astype(float), columns)
    found = (batch.input[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(found - exact.clip(0, 255)).max() <= 1.5


def reduction(size, scale):
    """Return the matrix (size / scale, size) of antialiased bicubic reduction."""
    centres = (np.arange(size // scale) + 0.5) * scale
    x = np.abs((np.arange(size) + 0.5 - centres[:, None]) / scale)
    weights = np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))
    return weights / weights.sum(1, keepdims=True)


def test_crops_of_both_sizes_are_of_one_place(tmp_path):
    large = np.arange(24, dtype=np.uint8)[:, None, None] * 10 + np.arange(24, dtype=np.uint8)[None, :, None] // 8 + np.zeros(3, np.uint8)
    save(tmp_path / "img_1_SRF_2_HR.png", np.repeat(np.repeat(large[:12, :12], 2, 0), 2, 1))
    save(tmp_path / "img_1_SRF_2_LR.png", large[:12, :12])
    folders = {split: {"high": ".", "low": "."} for split in ("train", "validation", "test")}
    data = build("super_resolution", tmp_path, **folders, scale=2, crop=8)
    assert data.train.names == ("img_1_SRF_2",)
    places = set()
    for batch in itertools.islice(training_batches(data.train, 2, seed=0), 10):
        assert torch.equal(batch.target, batch.input.repeat_interleave(2, 2).repeat_interleave(2, 3))
        places |= {round(one[0, 0, 0].item(), 3) for one in batch.input}
    assert len(places) > 3


def test_super_resolution_says_what_is_wrong(tmp_path):
    save(tmp_path / "hr" / "a_HR.png", pixels(0))
    save(tmp_path / "lr" / "b_LR.png", pixels(0))
    folders = {split: {"high": "hr", "low": "lr"} for split in ("train", "validation", "test")}
    with pytest.raises(DataError, match=r"train: .*1 only in hr: a; 1 only in lr: b"):
        build("super_resolution", tmp_path, **folders, scale=2, crop=8)
    with pytest.raises(ConfigError) as caught:
        build("super_resolution", tmp_path, **folders | {"test": {"hihg": "hr"}}, scale=1, crop=4, height=3)
    assert len(caught.value.problems) == 5
    high = {split: {"high": "hr"} for split in folders}
    with pytest.raises(ConfigError, match="crop must be a multiple of the scale 3"):
        build("super_resolution", tmp_path, **high, scale=3, crop=16)
    with pytest.raises(ConfigError, match="none of the 1 training pictures is as large as the crop of 32"):
        build("super_resolution", tmp_path, **high, scale=2, crop=32)


# Attributes


def table(root, *, csv=False, zeros=False):
    names = [f"{index}.png" for index in range(8)]
    for index, name in enumerate(names):
        save(root / name, pixels(index, 20, 30))
    no = "0" if zeros else "-1"
    rows = [[name, "1" if index % 2 else no, "1" if index % 3 else no] for index, name in enumerate(names)]
    if csv:
        text = "\n".join(",".join(row) for row in [["image_id", "Male", "Young"], *rows])
    else:
        text = "\n".join(["8", "Male Young", *("  ".join(row) for row in rows)])
    (root / ("list.csv" if csv else "list.txt")).write_text(text)
    return "list.csv" if csv else "list.txt"


@pytest.mark.parametrize(("csv", "zeros"), [(False, False), (True, False), (True, True)])
def test_tables_in_both_formats(tmp_path, csv, zeros):
    name = table(tmp_path, csv=csv, zeros=zeros)
    arguments = {"table": name, "domains": ["Young", "Male"], "height": 16, "width": 16, "validation_count": 2, "test_count": 2}
    data = build("attributes", tmp_path, **arguments)
    assert data.domain_names == ("Young", "Male") and not data.exclusive_domains and data.input_channels == 5
    assert [len(split) for split in data.splits] == [4, 2, 2]
    for split in data.splits:
        batch = split.batch()
        expected = [[float(int(stem) % 3 > 0), float(int(stem) % 2)] for stem in batch.names]
        assert batch.domains.tolist() == expected


def test_the_middle_is_cut_out_before_resizing(tmp_path):
    name = table(tmp_path)
    arguments = {"table": name, "domains": ["Male"], "validation_count": 2, "test_count": 2}
    batch = build("attributes", tmp_path, **arguments, height=10, width=10, crop=10).train.batch([0])
    assert torch.equal(batch.target[0], signed(pixels(int(batch.names[0]), 20, 30)[5:15, 10:20].copy()))
    with pytest.raises(DataError, match=r"is 30x20 pixels, smaller than the crop of 21"):
        build("attributes", tmp_path, **arguments, height=10, width=10, crop=21).check()


def test_a_partition_says_which_split(tmp_path):
    name = table(tmp_path)
    (tmp_path / "part.txt").write_text("\n".join(f"{index}.png {min(index // 3, 2)}" for index in range(8)))
    data = build("attributes", tmp_path, table=name, domains=["Male"], height=16, width=16, partition="part.txt")
    assert [split.names for split in data.splits] == [("0", "1", "2"), ("3", "4", "5"), ("6", "7")]


def test_attributes_say_what_is_wrong(tmp_path):
    name = table(tmp_path)
    counts = {"height": 16, "width": 16, "validation_count": 2, "test_count": 2}
    with pytest.raises(ConfigError, match="no attribute 'Yuong': did you mean 'Young'"):
        build("attributes", tmp_path, table=name, domains=["Yuong"], **counts)
    with pytest.raises(ConfigError, match="give a partition, or validation_count and test_count"):
        build("attributes", tmp_path, table=name, domains=["Male"], height=16, width=16)
    (tmp_path / "3.png").unlink()
    with pytest.raises(DataError, match=r"1 of the 8 files in list.txt are not in .*: 3.png"):
        build("attributes", tmp_path, table=name, domains=["Male"], **counts)
    text = (tmp_path / name).read_text()
    for changed, message in ((text.replace("8\n", "9\n", 1), "says that it has 9"), (text + " 7", "3 values for 2"), ("", "no table")):
        (tmp_path / name).write_text(changed)
        with pytest.raises(DataError, match=message):
            build("attributes", tmp_path, table=name, domains=["Male"], **counts)
    (tmp_path / name).write_text(text.replace("-1", "2", 1))
    with pytest.raises(DataError, match="it must be 1, 0 or -1"):
        build("attributes", tmp_path, table=name, domains=["Male", "Young"], **counts)


def test_a_folder_for_each_domain(tmp_path):
    for folder, count in (("b", 5), ("a", 4)):
        for index in range(count):
            save(tmp_path / folder / f"{index}.png", pixels(index))
    data = build("domain_folders", tmp_path, height=16, width=24, validation_count=1, test_count=1)
    assert data.domain_names == ("a", "b") and data.exclusive_domains
    assert [len(split) for split in data.splits] == [5, 2, 2]
    for split in data.splits:
        batch = split.batch()
        assert batch.domains.tolist() == [[float(name[0] == "a"), float(name[0] == "b")] for name in batch.names]
    with pytest.raises(ConfigError, match="at least 2 different domains"):
        build("domain_folders", tmp_path, height=16, width=24, validation_count=1, test_count=1, domains=["a"])
    with pytest.raises(DataError, match="c does not exist"):
        build("domain_folders", tmp_path, height=16, width=24, validation_count=1, test_count=1, domains=["a", "c"])


def test_the_first_pictures_of_domain_folders_are_of_all_domains(tmp_path):
    for place, folder in enumerate(("a", "b")):
        for index in range(16):
            save(tmp_path / folder / f"{index}.png", pixels(16 * place + index))
    data = build("domain_folders", tmp_path, height=16, width=24, validation_count=10, test_count=2)
    (batch,) = data.validation.batches(10, limit=10)
    assert 2 <= batch.domains[:, 0].sum() <= 8 and 2 <= batch.wanted[:, 0].sum() <= 8
    again = build("domain_folders", tmp_path, height=16, width=24, validation_count=10, test_count=2)
    assert again.validation.names == data.validation.names


# One folder


@pytest.mark.parametrize(("grey", "modes", "channels"), [("auto", "LL", 1), ("auto", "LR", 3), (True, "RR", 1), (False, "LL", 3)])
def test_grey_folders(tmp_path, grey, modes, channels):
    for index, mode in enumerate(modes * 3):
        save(tmp_path / f"{index}.png", pixels(index, channels=1 if mode == "L" else 3))
    data = build("pictures", tmp_path, height=16, width=24, noise=4, validation_count=1, test_count=1, grey=grey)
    assert data.target_shape == (channels, 16, 24) and data.train.batch().target.shape == (4, channels, 16, 24)
    assert ("grey: " in data.description) == ("L" in modes)
    with pytest.raises(ConfigError, match="leave nothing of 6 pictures"):
        build("pictures", tmp_path, height=16, width=24, validation_count=3, test_count=3)


def test_what_files_are_is_said(tmp_path):
    image = Image.fromarray(pixels(0))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    image.convert("RGBA").save(tmp_path / "clear.png")
    image.convert("P").save(tmp_path / "palette.png")
    Image.fromarray(pixels(0, channels=1).astype(np.uint16) * 257).save(tmp_path / "deep.png")
    save(tmp_path / "plain.png", pixels(1))
    data = build("pictures", tmp_path, height=24, width=16, validation_count=1, test_count=1)
    for text in ("grey: 1 of 5", "16-bit: 1 of 5", "palette: 1 of 5", "transparent: 1 of 5", "turned by EXIF: 1 of 5"):
        assert text in data.description
    data.check()


# Cityscapes and instances


@pytest.fixture
def cities(tmp_path):
    generator = np.random.default_rng(0)
    for part, city, count in (("train", "ulm", 3), ("val", "lindau", 2)):
        for index in range(count):
            stem = f"{city}_{index:06d}"
            save(tmp_path / "leftImg8bit" / part / city / f"{stem}_leftImg8bit.png", pixels(index))
            ids = generator.integers(0, 34, (16, 24)).astype(np.uint8)
            ids[0, 0] = 255  # a licence plate
            save(tmp_path / "gtFine" / part / city / f"{stem}_gtFine_labelIds.png", ids)
            save(
                tmp_path / "gtFine" / part / city / f"{stem}_gtFine_instanceIds.png",
                generator.integers(0, 2, (16, 24)).astype(np.uint16) * 26001,
            )
    return tmp_path


def test_cityscapes_gives_35_labels_and_borders_and_is_judged_by_19_classes(cities):
    data = build("cityscapes", cities, validation_count=1, height=16, width=24)
    assert data.input_shape == (36, 16, 24) and len(data.class_names) == 19
    assert [len(split) for split in data.splits] == [2, 1, 2]
    batch = data.test.batch([1])
    gt = cities / "gtFine" / "val" / "lindau"
    ids = np.asarray(Image.open(gt / "lindau_000001_gtFine_labelIds.png")).astype(int)
    instances = np.asarray(Image.open(gt / "lindau_000001_gtFine_instanceIds.png")).astype(int)
    assert torch.equal(batch.input[0, :35].argmax(0), torch.from_numpy(np.where(ids == 255, 34, ids)))
    assert (batch.input[0, :35] == 1).sum() == 16 * 24
    order = list(CLASSES.values())
    expected = [[order.index(value) if value in order else 255 for value in row] for row in ids]
    assert batch.labels[0].tolist() == expected
    for row, column in itertools.product(range(16), range(24)):
        around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        inside = [(y, x) for y, x in around if 0 <= y < 16 and 0 <= x < 24]
        border = any(instances[y, x] != instances[row, column] for y, x in inside)
        assert batch.input[0, 35, row, column] == (1 if border else -1)


def test_cityscapes_judged_at_the_labels_own_size(cities):
    data = build("cityscapes", cities, validation_count=1, height=8, width=12, judged_size="native")
    resized = build("cityscapes", cities, validation_count=1, height=8, width=12)
    assert data.fingerprint != resized.fingerprint and resized.test.batch().judged is None
    batch = data.test.batch([1])
    ids = np.asarray(Image.open(cities / "gtFine" / "val" / "lindau" / "lindau_000001_gtFine_labelIds.png")).astype(int)
    order = list(CLASSES.values())
    assert batch.truth[0].tolist() == [[order.index(value) if value in order else 255 for value in row] for row in ids]
    assert batch.labels.shape == (1, 8, 12) and torch.equal(batch.labels, resized.test.batch([1]).labels)
    assert data.train.batch().judged is None
    with pytest.raises(ConfigError, match="judged_size must be pictures or native, got 'large'"):
        build("cityscapes", cities, validation_count=1, judged_size="large")


def test_cityscapes_by_train_ids(cities):
    data = build("cityscapes", cities, validation_count=1, height=16, width=24, labels="train", instances=False)
    batch = data.test.batch()
    assert data.input_shape == (20, 16, 24)
    assert torch.equal(batch.input.argmax(1), torch.where(batch.labels == 255, 19, batch.labels))


def test_cityscapes_says_what_is_missing(cities):
    (cities / "gtFine" / "val" / "lindau" / "lindau_000000_gtFine_instanceIds.png").unlink()
    with pytest.raises(DataError, match=r"val: 1 scenes lack one of the files .*: lindau_000000"):
        build("cityscapes", cities, validation_count=1)
    assert build("cityscapes", cities, validation_count=1, height=16, width=24, instances=False).input_channels == 35
    with pytest.raises(DataError, match=r"(?s)train: the folder .*leftImg8bit/train does not exist.*gtFine/val does not exist"):
        build("cityscapes", cities / "gtFine", validation_count=1)


def test_instances_are_for_all_splits_and_for_labels(tmp_path):
    pair = {"input": "in", "target": "out"}
    for folder in ("in", "out", "objects"):
        save(tmp_path / folder / "0.png", pixels(0, channels=1) % 2)
    three = {"train": pair | {"instances": "objects"}, "validation": pair, "test": pair}
    with pytest.raises(ConfigError, match=r"instances must be given for all splits or none, not \['train'\] alone"):
        build("paired_folders", tmp_path, **three, height=16, width=24, classes=["a", "b"])
    every = {split: pair | {"instances": "objects"} for split in three}
    with pytest.raises(ConfigError, match="instances and judged belong to input_kind labels"):
        build("paired_folders", tmp_path, **every, height=16, width=24, input_kind="image")
    assert build("paired_folders", tmp_path, **every, height=16, width=24, classes=["a", "b"]).input_shape == (3, 16, 24)
