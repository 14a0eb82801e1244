"""Pairs of images found by name: a file of the input folder belongs to the file of the target folder with the same stem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autogc.data.arguments import Problems
from autogc.data.dataset import Dataset
from autogc.data.decode import label_table
from autogc.data.filelist import FileList
from autogc.data.inputs import InputKind, LabelInput, PictureInput
from autogc.data.listing import described, said, scan
from autogc.data.pairing import Row, files_of, find_rows
from autogc.data.readers import InstanceBorders, LabelMap, Photo
from autogc.data.registry import DATASETS
from autogc.data.samples import IGNORE_INDEX
from autogc.data.splits import file_splits
from autogc.errors import ConfigError, DataError
from autogc.files import sha256_json


@dataclass(frozen=True)
class LabelValues:
    """What the values of the label files mean: ``names`` of the classes, in order, ``table`` from value to class."""

    names: tuple[str, ...]
    table: np.ndarray
    ignored: bool


@DATASETS.register("paired_folders")
def paired_folders(
    *,
    root: str,
    train: dict[str, str],
    validation: dict[str, str],
    test: dict[str, str],
    height: int,
    width: int,
    load_height: int | None = None,
    load_width: int | None = None,
    input_kind: str = "labels",
    classes: str | list[str] | None = None,
    ignore_index: int | None = None,
    limit: int | None = None,
    mirror: bool = True,
    seed: int,
) -> Dataset:
    """Return pairs of images from folders under ``root``, which is relative to the current directory.

    ``train``, ``validation`` and ``test`` each name two folders, ``{input: FOLDER, target: FOLDER}``. With ``input_kind: labels`` the input
    files hold a class index a pixel: ``classes`` is the list of their names in that order, or a text file with one name a line (under
    ``root`` or the current directory), and ``ignore_index`` the value in the files that marks unlabelled pixels, whether ``classes`` has an
    entry for it or not. The generator sees one channel a class and one for unlabelled pixels; where all three splits name a third folder,
    ``instances``, whose files hold a number for each object, one more for the borders between objects. With ``input_kind: image`` the
    inputs are pictures. Everything is resized to ``height`` x ``width``; with ``load_height`` and ``load_width`` the training pairs are
    resized to those, and ``height`` x ``width`` of them is cut out at random. Where ``validation`` and ``test`` name a folder ``judged``
    (which may be that of the inputs again), its label maps are what segmenters are compared with, each at its file's own size, as
    published mIoU is counted. ``limit`` takes the first so many pairs of each split.

    Raises ``ConfigError`` for arguments, ``DataError`` for folders that are missing, empty or unpaired; ``Dataset.check`` and the first
    use raise ``DataError`` for files that cannot be decoded and labels that no class has.
    """
    del seed  # The samples are what the files say.
    problems = Problems("paired_folders")
    folders: dict[str, Mapping[str, str]] = {"train": train, "validation": validation, "test": test}
    # A list, so that what is wrong with each of them is said. Nothing is judged on training samples.
    shaped = [
        problems.folders(name, given, needed=("input", "target"), optional=("instances",) if name == "train" else ("instances", "judged"))
        for name, given in folders.items()
    ]
    instances = [name for name, given in folders.items() if "instances" in given] if all(shaped) else []
    problems.expect(len(instances) in (0, len(folders)), f"instances must be given for all splits or none, not {instances} alone")
    judged = [name for name, given in folders.items() if "judged" in given] if all(shaped) else []
    problems.expect(len(judged) in (0, 2), f"judged must be given for validation and test or neither, not {judged} alone")
    problems.size(height, width, load_height, load_width)
    problems.at_least(1, limit=limit)
    problems.expect(input_kind in ("labels", "image"), f"input_kind must be labels or image, got {input_kind!r}")
    if input_kind == "labels":
        problems.expect(classes is not None, "input_kind labels needs classes: a list of names, or a text file with one a line")
    if input_kind == "image":
        problems.expect(classes is None and ignore_index is None, "classes and ignore_index belong to input_kind labels")
        problems.expect(not instances and not judged, "instances and judged belong to input_kind labels")
    base = problems.root(root)
    problems.stop()
    labels = None if classes is None else _label_values(classes, ignore_index, base=base)
    rows = {
        name: find_rows({kind: base / folder for kind, folder in given.items()}, split=name, problems=problems)[:limit]
        for name, given in folders.items()
    }
    problems.stop()
    # In an order that is not the experiment file's.
    kinds = {name: [kind for kind in ("input", "target", "instances", "judged") if kind in given] for name, given in folders.items()}
    scanned = {name: {kind: scan(files_of(found, kind)) for kind in kinds[name]} for name, found in rows.items()}

    def lists(split: str, height: int, width: int) -> dict[str, FileList]:
        return _lists(rows[split], labels=labels, kinds=kinds[split], height=height, width=width)

    channels = 3 if labels is None else len(labels.names) + labels.ignored
    given: InputKind = PictureInput() if labels is None else LabelInput(channels, edges=bool(instances))
    names = {name: [row.stem for row in found] for name, found in rows.items()}
    splits = file_splits(names, lists, input=given, size=(height, width), load=(load_height, load_width), mirror=mirror)
    arguments: dict[str, Any] = {
        "input_kind": input_kind,
        "classes": None if labels is None else labels.names,
        "values": None if labels is None else labels.table.tolist(),
        "height": height,
        "width": width,
    }
    # What is as it was before there was a choice adds nothing, so that runs that began then go on.
    arguments |= {"load": [load_height, load_width]} if load_height is not None else {}
    arguments |= {} if mirror else {"mirror": False}
    arguments |= {"instances": True} if instances else {}
    arguments |= {"judged": True} if judged else {}
    contents = {
        name: [[row.stem, *(scanned[name][kind][place].sha256 for kind in kinds[name])] for place, row in enumerate(found)]
        for name, found in rows.items()
    }
    photos = ("input", "target") if labels is None else ("target",)
    pictures = [one for found in scanned.values() for kind in photos for one in found[kind]]
    return Dataset(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        input_shape=(channels + bool(instances), height, width),
        target_shape=(3, height, width),
        class_names=() if labels is None else labels.names,
        description=described(f"{base.name} {width}x{height} (images from folders)", said(pictures)),
        fingerprint=sha256_json({"paired_folders": arguments, "files": contents}),
    )


def _label_values(classes: str | Sequence[str], ignore_index: int | None, *, base: Path) -> LabelValues:
    if isinstance(classes, str):
        places = [base / classes, Path(classes).expanduser()]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise DataError(f"the class list {classes!r} is neither {places[0]} nor {places[1]}")
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    else:
        names = list(classes)
    if ignore_index is not None and not 0 <= ignore_index <= IGNORE_INDEX:
        raise ConfigError(f"paired_folders: ignore_index must be in 0..{IGNORE_INDEX}, got {ignore_index}")
    values = [value for value in range(len(names)) if value != ignore_index]
    if not values or len(names) > IGNORE_INDEX:
        raise ConfigError(f"paired_folders: classes must name 1 to {IGNORE_INDEX} classes, got {len(values)}")
    return LabelValues(
        names=tuple(names[value] for value in values), table=label_table(values, ignore_index), ignored=ignore_index is not None
    )


def _lists(rows: Sequence[Row], *, labels: LabelValues | None, kinds: Sequence[str], height: int, width: int) -> dict[str, FileList]:
    photo, given = Photo(height, width), files_of(rows, "input")
    found = {"inputs": FileList(given, photo)} if labels is None else {"labels": FileList(given, LabelMap(height, width, labels.table))}
    if "instances" in kinds:
        found["edges"] = FileList(files_of(rows, "instances"), InstanceBorders(height, width))
    if labels is not None and "judged" in kinds:
        found["judged"] = FileList(files_of(rows, "judged"), LabelMap(None, None, labels.table))
    return found | {"targets": FileList(files_of(rows, "target"), photo)}
