"""A small example of each registered dataset, built of files made here, with 4 training samples. A new dataset adds one row."""

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


def labels_judged_larger(path):
    for split, count in COUNTS.items():
        photos(path / split / "in", count, values=3, channels=1)
        photos(path / split / "labels", count, values=3, channels=1, height=60, width=80)
        photos(path / split / "out", count)
    splits = {split: {"input": f"{split}/in", "target": f"{split}/out", "judged": f"{split}/labels"} for split in COUNTS}
    del splits["train"]["judged"]
    return build("paired_folders", path, **splits, height=HEIGHT, width=WIDTH, classes=["a", "b", "c"], load_height=36, load_width=54)


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


def instance_folders(path, **load):
    for split, count in COUNTS.items():
        photos(path / split / "in", count, values=3, channels=1)
        photos(path / split / "objects", count, values=2, channels=1)
        photos(path / split / "out", count)
    splits = {split: {"input": f"{split}/in", "target": f"{split}/out", "instances": f"{split}/objects"} for split in COUNTS}
    return build("paired_folders", path, **splits, height=HEIGHT, width=WIDTH, classes=["a", "b", "c"], **load)


def instance_folders_cropped(path):
    return instance_folders(path, load_height=36, load_width=52)


def halves(path):
    for split, count in (("train", 7), ("test", 2)):
        photos(path / split, count, width=2 * WIDTH)
    return build("side_by_side", path, height=HEIGHT, width=WIDTH, direction="b_to_a", validation_count=3)


def halves_cropped(path):
    for split, count in COUNTS.items():
        photos(path / split, count, width=2 * WIDTH)
    return build("side_by_side", path, height=HEIGHT, width=WIDTH, validation="validation", load_height=36, load_width=54)


def flat_folder(path):
    photos(path, 9, height=40, width=50)
    return build("pictures", path, height=HEIGHT, width=WIDTH, noise=8, validation_count=3, test_count=2, crop=36)


def flat_grey_folder(path):
    photos(path, 9, channels=1)
    return build("pictures", path, height=HEIGHT, width=WIDTH, noise=8, validation_count=3, test_count=2, mirror=False)


def folder_per_domain(path):
    for folder, count in (("happy", 4), ("sad", 5), ("unused", 1)):
        photos(path / "train" / folder, count)
    photos(path / "test" / "happy", 1)
    photos(path / "test" / "sad", 1)
    return build(
        "domain_folders",
        path,
        train="train",
        test="test",
        domains=["sad", "happy"],
        height=HEIGHT,
        width=WIDTH,
        validation_count=2,
        limit=4,
    )


def streets_of_cities(path, **arguments):
    for part, city, count in (("train", "aachen", 3), ("train", "ulm", 4), ("val", "lindau", 2)):
        photos(path / "leftImg8bit" / part / city, count, name=city + "_{}_leftImg8bit.png")
        photos(path / "gtFine" / part / city, count, values=34, channels=1, name=city + "_{}_gtFine_labelIds.png")
        photos(path / "gtFine" / part / city, count, values=9, channels=1, name=city + "_{}_gtFine_instanceIds.png")
    return build("cityscapes", path, height=HEIGHT, width=WIDTH, validation_count=3, **arguments)


def streets_of_cities_by_class(path):
    return streets_of_cities(path, labels="train", instances=False, load_height=33, load_width=64)


def streets_of_cities_judged_native(path):
    return streets_of_cities(path / "native", judged_size="native")


def packed_folders(path):
    from autogc.data.packed.write import pack

    if not (path / "packed").exists():
        pack(instance_folders_cropped(path / "files"), path / "packed", rows_per_shard=3)
    return build("parquet", path / "packed")


def packed_folders_judged_larger(path):
    from autogc.data.packed.write import pack

    if not (path / "packed").exists():
        pack(labels_judged_larger(path / "files"), path / "packed", rows_per_shard=2)
    return build("parquet", path / "packed")


def inputs_alone(path):
    for split, count in COUNTS.items():
        photos(path / split, count)
    return build("inputs", path)


def noise_alone(path):
    return DATASETS.build("noise", {"channels": 5, "height": HEIGHT, "width": WIDTH, **COUNTS}, seed=0)


EXAMPLES = {
    "inputs": [inputs_alone],
    "noise": [noise_alone],
    "streets": [streets],
    "paired_folders": [labelled_folders, labels_judged_larger, picture_folders, instance_folders, instance_folders_cropped],
    "unpaired_folders": [unpaired, unpaired_cropped],
    "mnist": [digits, larger_digits],
    "super_resolution": [enlarging, enlarging_pairs],
    "attributes": [celeba],
    "side_by_side": [halves, halves_cropped],
    "pictures": [flat_folder, flat_grey_folder],
    "domain_folders": [folder_per_domain],
    "parquet": [packed_folders, packed_folders_judged_larger],
    "cityscapes": [streets_of_cities, streets_of_cities_by_class, streets_of_cities_judged_native],
}
