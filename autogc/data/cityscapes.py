"""Cityscapes (Cordts et al., CVPR 2016), in the folders that its own archives make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from autogc.data.arguments import Problems
from autogc.data.dataset import Dataset
from autogc.data.decode import label_table
from autogc.data.filelist import FileList
from autogc.data.inputs import LabelInput
from autogc.data.listing import beside, described, few, hold_out, said, scan
from autogc.data.pairing import Row, files_of
from autogc.data.readers import VALUES, InstanceBorders, LabelMap, Photo
from autogc.data.registry import DATASETS
from autogc.data.samples import IGNORE_INDEX
from autogc.data.splits import file_splits
from autogc.files import sha256_json

# The 19 classes that are judged, and the label value of each in the files ending in _labelIds.
CLASSES = {
    "road": 7,
    "sidewalk": 8,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "pole": 17,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}
# All labels: 0 to 33, and one for licence plates, whose value of -1 is 255 in a file of bytes.
LABELS = 35
ENDINGS = {"target": "_leftImg8bit.png", "labels": "_gtFine_labelIds.png", "instances": "_gtFine_instanceIds.png"}
TREES = {"target": "leftImg8bit", "labels": "gtFine", "instances": "gtFine"}


@DATASETS.register("cityscapes")
def cityscapes(
    *,
    root: str,
    validation_count: int,
    height: int = 256,
    width: int = 512,
    labels: str = "all",
    instances: bool = True,
    judged_size: str = "pictures",
    load_height: int | None = None,
    load_width: int | None = None,
    limit: int | None = None,
    mirror: bool = True,
    seed: int,
) -> Dataset:
    """Return street scenes and their label maps. ``root`` has ``leftImg8bit`` and ``gtFine``, each with ``train`` and ``val``.

    With ``labels: all`` the generator sees the 35 labels of the files, as GauGAN does (Park et al., CVPR 2019), with ``labels: train`` the
    19 classes and one channel for all else; with ``instances`` one more channel, the borders between objects: 36 in all by default.
    Pictures are always judged by the 19 classes: with ``judged_size: native`` on label maps as large as their files, 2048x1024, as mIoU is
    published, otherwise on the resized ones. Cityscapes keeps the labels of its test set, so the test split is ``val``, and
    ``validation_count`` scenes are held out of ``train``; the seed decides which. Everything is resized to ``height`` x ``width``; with
    ``load_height`` and ``load_width`` training scenes are resized to those, and ``height`` x ``width`` of them is cut out at random.
    ``limit`` takes the first so many of each folder.

    Raises ``ConfigError`` for arguments, ``DataError`` for folders; ``Dataset.check`` and the first use raise ``DataError`` for files.
    """
    problems = Problems("cityscapes")
    problems.size(height, width, load_height, load_width)
    problems.at_least(1, validation_count=validation_count, limit=limit)
    problems.expect(labels in ("all", "train"), f"labels must be all or train, got {labels!r}")
    problems.expect(judged_size in ("pictures", "native"), f"judged_size must be pictures or native, got {judged_size!r}")
    base = problems.root(root)
    problems.stop()
    kinds = [kind for kind in ENDINGS if instances or kind != "instances"]
    rows = {name: _rows(base, part, kinds, problems=problems)[:limit] for name, part in (("train", "train"), ("test", "val"))}
    count = len(rows["train"])
    problems.expect(not count or validation_count < count, f"validation_count {validation_count} leaves nothing of {count} scenes")
    problems.stop()
    rows["train"], rows["validation"] = hold_out(rows["train"], validation_count, seed=seed, key=lambda row: row.stem)
    scanned = {name: {kind: scan(files_of(found, kind)) for kind in kinds} for name, found in rows.items()}
    judged = judged_table()

    def lists(split: str, height: int, width: int) -> dict[str, FileList]:
        found = rows[split]
        made = {"targets": FileList(files_of(found, "target"), Photo(height, width))}
        made["labels"] = FileList(files_of(found, "labels"), LabelMap(height, width, judged))
        if judged_size == "native" and split != "train":
            made["judged"] = FileList(files_of(found, "labels"), LabelMap(None, None, judged))
        if labels == "all":
            made["maps"] = FileList(files_of(found, "labels"), LabelMap(height, width, given_table()))
        if instances:
            made["edges"] = FileList(files_of(found, "instances"), InstanceBorders(height, width))
        return made

    channels = LABELS if labels == "all" else len(CLASSES) + 1
    splits = file_splits(
        {name: [row.stem for row in found] for name, found in rows.items()},
        lists,
        input=LabelInput(channels, edges=instances),
        size=(height, width),
        load=(load_height, load_width),
        mirror=mirror,
    )
    arguments: dict[str, Any] = {"labels": labels, "instances": instances, "height": height, "width": width, "mirror": mirror}
    arguments["load"] = [load_height, load_width]
    # What is as it was before there was a choice adds nothing, so that runs that began then go on.
    arguments |= {"judged_size": judged_size} if judged_size != "pictures" else {}
    contents = {
        name: [[row.stem, *(scanned[name][kind][place].sha256 for kind in kinds)] for place, row in enumerate(found)]
        for name, found in rows.items()
    }
    what = f"{channels} channels of labels" + (" and one of borders" if instances else "")
    return Dataset(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        input_shape=(channels + instances, height, width),
        target_shape=(3, height, width),
        class_names=tuple(CLASSES),
        description=described(
            f"Cityscapes {width}x{height}, {what} (test: its val folder)",
            said([one for found in scanned.values() for one in found["target"]]),
        ),
        fingerprint=sha256_json({"cityscapes": arguments, "files": contents}),
    )


def judged_table() -> np.ndarray:
    """Return what each value of a label file is judged as (256,): one of the 19 classes, or nothing."""
    table = label_table(list(CLASSES.values()), IGNORE_INDEX)
    table[:LABELS] = np.where(table[:LABELS] < 0, IGNORE_INDEX, table[:LABELS])
    return table


def given_table() -> np.ndarray:
    """Return the channel of each value of a label file (256,), of 35."""
    table = np.full(VALUES, -1, np.int64)
    table[:LABELS] = np.arange(LABELS)
    table[IGNORE_INDEX] = LABELS - 1
    return table


def _rows(base: Path, part: str, kinds: list[str], *, problems: Problems) -> list[Row]:
    """Return the scenes of ``train`` or ``val`` by name; what is missing is noted."""
    found: dict[str, dict[str, Path]] = {}
    for kind in kinds:
        folder, ending = base / TREES[kind] / part, ENDINGS[kind]
        if not folder.is_dir():
            problems.missing(f"{part}: the folder {folder} does not exist{beside(folder)}")
        for path in folder.glob(f"*/*{ending}"):
            found.setdefault(path.name.removesuffix(ending), {})[kind] = path
    lacking = sorted(stem for stem, files in found.items() if len(files) < len(kinds))
    if lacking:
        endings = ", ".join(ENDINGS[kind] for kind in kinds)
        problems.missing(f"{part}: {len(lacking)} scenes lack one of the files ending in {endings}: {few(lacking)}")
    elif not found:
        problems.missing(f"{part}: no scenes in {base / TREES['target'] / part} (CITY/CITY_..._leftImg8bit.png)")
    return [Row(stem, found[stem]) for stem in sorted(found) if stem not in set(lacking)]
