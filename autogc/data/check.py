"""What a dataset holds, file by file: counts, sizes, modes, files that cannot be used, pictures that are there twice, classes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from autogc.data.dataset import Dataset, Split
from autogc.data.decode import as_picture, open_image
from autogc.data.filelist import FileSamples
from autogc.data.listing import is_picture
from autogc.data.readers import Reader
from autogc.data.samples import IGNORE_INDEX
from autogc.data.threads import in_threads
from autogc.errors import DataError
from autogc.progress import Progress, Silent

# The fields of ``Samples`` that are pictures; only those are looked for twice.
PHOTOS = ("inputs", "targets")
BYTE_VALUES = 256
# Samples that are no files of their own are looked at so many at a time.
CHUNK = 64


@dataclass
class Part:
    """What was found in one split, or in one folder."""

    name: str
    samples: int
    files: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  # (height, width)
    modes: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    pixels: np.ndarray | None = None  # how many label pixels have each value, (256,)
    seen: dict[str, list[str]] = field(default_factory=dict)  # the hash of a picture's pixels, and the files that hold it

    @property
    def repeated(self) -> list[list[str]]:
        """The pictures that are there more than once, each with its files."""
        return [names for names in self.seen.values() if len(names) > 1]

    @property
    def unlabelled(self) -> float | None:
        """The share of label pixels that have no class."""
        return None if self.pixels is None else float(self.pixels[IGNORE_INDEX] / max(self.pixels.sum(), 1))

    def shares(self, classes: int) -> np.ndarray | None:
        """Return each class's share of the labelled pixels."""
        return None if self.pixels is None else self.pixels[:classes] / max(self.pixels[:classes].sum(), 1)


@dataclass
class Findings:
    """What was found in a dataset, or in several ``folders``, which may lie one within the other."""

    description: str
    parts: list[Part]
    class_names: tuple[str, ...] = ()
    folders: bool = False

    @property
    def bad(self) -> list[str]:
        """What is wrong with each file that cannot be used."""
        return list(dict.fromkeys(problem for part in self.parts for problem in part.bad))

    @property
    def across(self) -> list[list[str]]:
        """The pictures that are in more than one part, each with its files."""
        found = []
        for digest in dict.fromkeys(digest for part in self.parts for digest in part.seen):
            holders = [part for part in self.parts if digest in part.seen]
            files = [name for part in holders for name in part.seen[digest]]
            # Folders within one another share files; those are not there twice. A file of two splits is what is looked for.
            if len(holders) > 1 and (len(set(files)) > 1 or not self.folders):
                found.append(files)
        return found


@dataclass(frozen=True)
class _Looked:
    """What one file is. ``digest`` is of its pixels, where it is a picture."""

    problem: str | None = None
    mode: str = ""
    size: tuple[int, int] = (0, 0)
    digest: str | None = None
    pixels: np.ndarray | None = None


def check_dataset(data: Dataset, *, progress: Progress | None = None) -> Findings:
    """Decode every file of every split once. What cannot be used is noted and nothing is raised."""
    parts = [_check_split(split, progress or Silent()) for split in data.splits]
    return Findings(data.description, parts, class_names=data.class_names)


def check_folders(roots: Sequence[Path], *, progress: Progress | None = None) -> Findings:
    """Decode every image in folders and the folders in them. Raises ``DataError`` for a folder that isn't there."""
    missing = [str(root) for root in roots if not root.is_dir()]
    if missing:
        raise DataError(f"no such folder: {', '.join(missing)}")
    parts = []
    for root in roots:
        files = sorted(path for path in root.rglob("*") if is_picture(path) and path.is_file())
        part = Part(str(root), samples=len(files))
        if not files:
            part.bad.append(f"{root} holds no images")
        _look_at(part, {path: [(None, True)] for path in files}, progress or Silent())
        parts.append(part)
    return Findings(f"{len(parts)} folders" if len(parts) > 1 else str(roots[0]), parts, folders=True)


def _check_split(split: Split, progress: Progress) -> Part:
    part = Part(split.name, samples=len(split))
    source = split.source
    if isinstance(source, FileSamples):
        uses: dict[Path, list[tuple[Reader | None, bool]]] = {}
        for name, files in source.lists.items():
            for path in files.files:
                uses.setdefault(path, []).append((files.reader, name in PHOTOS))
        labels = {path for name, files in source.lists.items() if name == "labels" for path in files.files}
        _look_at(part, uses, progress, labels=labels)
    if not part.bad:
        try:
            if isinstance(source, FileSamples):
                source.check_scale()
            else:
                _look_at_samples(part, split, progress)
        except DataError as error:
            part.bad.append(str(error))
    return part


def _look_at(part: Part, uses: dict[Path, list[tuple[Reader | None, bool]]], progress: Progress, *, labels: Iterable[Path] = ()) -> None:
    """Decode each file once; ``uses`` says what is made of it, and whether that is a picture."""
    labelled = set(labels)
    progress.start(f"decoding {part.name}", total=len(uses))
    looked = in_threads(lambda item: _looked(*item, labelled=item[0] in labelled), list(uses.items()), tell=progress.update)
    part.files = len(looked)
    for path, one in zip(uses, looked, strict=True):
        if one.problem is not None:
            part.bad.append(one.problem)
            continue
        if one.digest is not None:
            part.sizes[one.size] += 1
            part.modes[one.mode] += 1
            part.seen.setdefault(one.digest, []).append(str(path))
        if one.pixels is not None:
            part.pixels = one.pixels if part.pixels is None else part.pixels + one.pixels


def _looked(path: Path, uses: list[tuple[Reader | None, bool]], *, labelled: bool) -> _Looked:
    try:
        image = open_image(path)
        made = [(reader.of(image, path=path), is_photo) for reader, is_photo in uses if reader is not None]
        digest = _digest(as_picture(image, path=path, grey=False)) if any(is_photo for _, is_photo in uses) else None
    except DataError as error:
        return _Looked(problem=str(error))
    pixels = next((np.bincount(values.ravel(), minlength=BYTE_VALUES) for values, is_photo in made if not is_photo), None)
    return _Looked(mode=image.mode, size=(image.height, image.width), digest=digest, pixels=pixels if labelled else None)


def _digest(picture: Image.Image) -> str:
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()


def _look_at_samples(part: Part, split: Split, progress: Progress) -> None:
    """Look at samples that are no files of their own: drawn ones, digits of one file, shards."""
    samples = split.load(progress)
    samples.check(progress)
    for name, pictures in samples.lists.items():
        for start in range(0, len(pictures), CHUNK):
            places = range(start, min(start + CHUNK, len(pictures)))
            found = list(pictures[start : start + CHUNK]) if isinstance(pictures, np.ndarray) else pictures.take(places)
            for place, picture in zip(places, found, strict=True):
                if name in PHOTOS:
                    part.files += 1
                    part.sizes[picture.shape[-2:]] += 1
                    part.modes["L" if len(picture) == 1 else "RGB"] += 1
                    digest = hashlib.sha256(f"{picture.shape}".encode() + picture.tobytes()).hexdigest()
                    called = split.names[place] if len(pictures) == len(split) and split.paired else f"{name} {place}"
                    part.seen.setdefault(digest, []).append(f"{split.name}: {called}")
                elif name == "labels":
                    counted = np.bincount(picture.ravel(), minlength=BYTE_VALUES)
                    part.pixels = counted if part.pixels is None else part.pixels + counted
