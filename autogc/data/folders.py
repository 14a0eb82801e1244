"""Pairs of images found by name: a file of the input folder belongs to the file of the target folder with the same stem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autogc.data.dataset import Dataset, Split
from autogc.data.decode import label_table
from autogc.data.filelist import FileList, FileSamples
from autogc.data.inputs import LabelInput, PictureInput
from autogc.data.pairing import Pair, contents, find_pairs
from autogc.data.readers import LabelMap, Photo
from autogc.data.registry import DATASETS
from autogc.data.samples import IGNORE_INDEX
from autogc.errors import ConfigError, DataError
from autogc.files import sha256_json

SMALLEST = 8


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
    input_kind: str = "labels",
    classes: str | list[str] | None = None,
    ignore_index: int | None = None,
    limit: int | None = None,
    seed: int,
) -> Dataset:
    """Return pairs of images from folders under ``root``, which is relative to the current directory.

    ``train``, ``validation`` and ``test`` each name two folders, ``{input: FOLDER, target: FOLDER}``. With ``input_kind: labels`` the input
    files hold a class index a pixel: ``classes`` is the list of their names in that order, or a text file with one name a line (under
    ``root`` or the current directory), and ``ignore_index`` the value in the files that marks unlabelled pixels, whether ``classes`` has an
    entry for it or not. The generator sees one channel a class and one for unlabelled pixels. With ``input_kind: image`` the inputs are
    pictures. Everything is resized to ``height`` x ``width``; ``limit`` takes the first so many pairs of each split.

    Raises ``ConfigError`` for arguments, ``DataError`` for folders that are missing, empty or unpaired; ``Dataset.check`` and the first
    use raise ``DataError`` for files that cannot be decoded and labels that no class has.
    """
    del seed  # The samples are what the files say.
    base = Path(root).expanduser()
    folders = {"train": train, "validation": validation, "test": test}
    problems = [problem for name, pair in folders.items() for problem in _folder_problems(name, pair)]
    sizes = {"height": height, "width": width}
    problems += [f"paired_folders: {name} must be at least {SMALLEST}, got {size}" for name, size in sizes.items() if size < SMALLEST]
    if limit is not None and limit < 1:
        problems.append(f"paired_folders: limit must be at least 1, got {limit}")
    if input_kind not in ("labels", "image"):
        problems.append(f"paired_folders: input_kind must be labels or image, got {input_kind!r}")
    if input_kind == "labels" and classes is None:
        problems.append("paired_folders: input_kind labels needs classes: a list of names, or a text file with one a line")
    if input_kind == "image" and (classes is not None or ignore_index is not None):
        problems.append("paired_folders: classes and ignore_index belong to input_kind labels")
    if problems:
        raise ConfigError(problems)
    if not base.is_dir():
        raise DataError(f"the dataset folder {base} does not exist (current directory: {Path.cwd()}): set data.args.root")
    labels = None if classes is None else _label_values(classes, ignore_index, base=base)
    pairs = {name: find_pairs(base / pair["input"], base / pair["target"], split=name)[:limit] for name, pair in folders.items()}
    channels = 3 if labels is None else len(labels.names) + labels.ignored
    arguments = {
        "input_kind": input_kind,
        "classes": None if labels is None else labels.names,
        "values": None if labels is None else labels.table.tolist(),
        "height": height,
        "width": width,
    }
    splits = {
        name: Split(
            name,
            names=[pair.stem for pair in found],
            input=PictureInput() if labels is None else LabelInput(channels),
            decode=FileSamples(name, _lists(found, labels=labels, height=height, width=width)),
        )
        for name, found in pairs.items()
    }
    return Dataset(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        input_shape=(channels, height, width),
        target_shape=(3, height, width),
        class_names=() if labels is None else labels.names,
        description=f"{base.name} {width}x{height} (images from folders)",
        fingerprint=sha256_json({"paired_folders": arguments, "files": {name: contents(found) for name, found in pairs.items()}}),
    )


def _folder_problems(split: str, pair: Any) -> list[str]:
    if isinstance(pair, Mapping) and set(pair) == {"input", "target"} and all(isinstance(value, str) for value in pair.values()):
        return []
    return [f"paired_folders: {split} must be {{input: FOLDER, target: FOLDER}}, got {pair!r}"]


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


def _lists(pairs: Sequence[Pair], *, labels: LabelValues | None, height: int, width: int) -> dict[str, FileList]:
    photo = Photo(height, width)
    inputs = [pair.input for pair in pairs]
    given = {"inputs": FileList(inputs, photo)} if labels is None else {"labels": FileList(inputs, LabelMap(height, width, labels.table))}
    return given | {"targets": FileList([pair.target for pair in pairs], photo)}
