"""Inputs without targets, for a generator whose own outputs are to be imitated (``task: imitation``)."""

from __future__ import annotations

from pathlib import Path

from autogc.data.arguments import SMALLEST, Problems
from autogc.data.dataset import Dataset, Split
from autogc.data.filelist import FileList, FileSamples
from autogc.data.inputs import PictureInput
from autogc.data.listing import described, listed, pictures_in, said, scan
from autogc.data.readers import TopLeft
from autogc.data.registry import DATASETS
from autogc.data.splits import SPLITS
from autogc.errors import ConfigError
from autogc.files import sha256_json


@DATASETS.register("inputs")
def inputs(
    *,
    root: str,
    train: str = "train",
    validation: str = "validation",
    test: str = "test",
    crop: int | None = None,
    largest: int | None = None,
    grey: bool = False,
    mirror: bool = False,
    limit: int | None = None,
    seed: int,
) -> Dataset:
    """Return images for a generator to be given, from the folders ``train``, ``validation`` and ``test`` under ``root``.

    Nothing says what should become of them: the experiment's task is ``imitation``, and its teacher's outputs are the targets. Images may
    have any sizes. Training takes random squares of ``crop`` pixels of the input, at which costs are counted; images that are smaller are
    left out, and the description says how many. Without ``crop``, all images have one size and are taken whole. Validation and test
    always take whole images. ``largest`` keeps at most so many pixels a side, from the top left. ``grey``: one channel, not three.
    ``mirror`` flips half of the training samples together with the teacher's outputs, which is exact only for a generator that treats left
    and right alike. ``limit`` takes the first so many of each split.

    Raises ``ConfigError`` for arguments, ``DataError`` for folders; ``Dataset.check`` and the first use raise ``DataError`` for files.
    """
    del seed  # The samples are what the files say.
    problems = Problems("inputs")
    problems.at_least(SMALLEST, crop=crop, largest=largest)
    problems.at_least(1, limit=limit)
    problems.expect(crop is None or largest is None or crop <= largest, f"crop {crop} is more than the largest {largest} pixels a side")
    base = problems.root(root)
    problems.stop()
    folders = dict(zip(SPLITS, (train, validation, test), strict=True))
    files = {name: pictures_in(base / folder, problems=problems, what=name)[:limit] for name, folder in folders.items()}
    problems.stop()
    reader = TopLeft(largest, grey=grey)
    shapes = {name: FileList(paths, reader).sizes() or () for name, paths in files.items()}
    whole = len(files["train"])
    if crop is not None:
        kept = [path for path, shape in zip(files["train"], shapes["train"], strict=True) if min(shape[1:]) >= crop]
        if not kept:
            raise ConfigError(f"inputs: none of the {whole} training images is as large as the crop of {crop}")
        files["train"] = kept
        shape = (1 if grey else 3, crop, crop)
    else:
        shape = _common(files["train"], shapes["train"])
    scanned = {name: scan(paths) for name, paths in files.items()}
    splits = {name: _split(name, paths, reader, crop=crop, mirror=mirror) for name, paths in files.items()}
    left_out = whole - len(files["train"])
    return Dataset(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        input_shape=shape,
        target_shape=shape,
        class_names=(),
        description=described(
            f"{base.name}, inputs alone" + (f" (training crops of {crop}x{crop}, evaluation at full size)" if crop else ""),
            f"at most {largest} pixels a side, from the top left" if largest else "",
            f"training images smaller than a crop, left out: {left_out} of {whole}" if left_out else "",
            said([one for found in scanned.values() for one in found]),
        ),
        fingerprint=sha256_json(
            {
                "inputs": {"crop": crop, "largest": largest, "grey": grey, "mirror": mirror},
                "files": {name: listed(files[name], found) for name, found in scanned.items()},
            }
        ),
        kind="inputs",
    )


def _split(name: str, paths: list[Path], reader: TopLeft, *, crop: int | None, mirror: bool) -> Split:
    images = FileList(paths, reader)
    return Split(
        name,
        names=[path.stem for path in paths],
        input=PictureInput(),
        # What becomes of them is not known yet; they stand for it.
        decode=FileSamples(name, {"inputs": images, "targets": images}),
        crop=(crop, crop) if crop is not None and name == "train" else None,
        mirror=mirror,
    )


def _common(paths: list[Path], shapes: object) -> tuple[int, int, int]:
    found = {tuple(shape): path for path, shape in zip(paths, list(shapes), strict=True)}  # type: ignore[call-overload]
    if len(found) > 1:
        (first, one), (second, other) = list(found.items())[:2]
        raise ConfigError(
            f"inputs: the training images have different sizes ({one} is {first[2]}x{first[1]}, {other} {second[2]}x{second[1]}): "
            "give crop, the side of the squares that training takes"
        )
    return next(iter(found))  # type: ignore[return-value]
