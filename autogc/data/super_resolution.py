"""Small pictures and the large ones that they should become (SRGAN: Ledig et al., CVPR 2017)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from autogc.data.arguments import SMALLEST, Problems
from autogc.data.dataset import Dataset, Split
from autogc.data.filelist import FileList, FileSamples
from autogc.data.inputs import PictureInput
from autogc.data.listing import described, few, listed, pictures_in, said, scan
from autogc.data.readers import LargePicture
from autogc.data.registry import DATASETS
from autogc.errors import ConfigError
from autogc.files import sha256_json

# How file names say which of two resolutions they are: img_001_SRF_4_HR, img_001_SRF_4_LR (SelfExSR), 0001x4 (DIV2K).
HIGH, LOW = re.compile(r"[_-]HR$", re.IGNORECASE), re.compile(r"([_-]LR|x\d+)$", re.IGNORECASE)


@DATASETS.register("super_resolution")
def super_resolution(
    *,
    root: str,
    train: dict[str, str],
    validation: dict[str, str],
    test: dict[str, str],
    scale: int,
    crop: int,
    height: int | None = None,
    width: int | None = None,
    limit: int | None = None,
    mirror: bool = True,
    seed: int,
) -> Dataset:
    """Return pictures and the same ``scale`` times smaller, from folders under ``root``.

    ``train``, ``validation`` and ``test`` are ``{high: FOLDER, low: FOLDER}``, paired by name but for endings such as ``_HR``, ``_LR`` and
    ``x4``; both may be one folder, whose files then end in ``_HR`` and ``_LR``. Without ``low`` the small pictures are made of the large
    ones by bicubic interpolation with antialiasing. Large pictures are cut to a multiple of ``scale``; grey ones are repeated in three
    channels. Training takes random squares of ``crop`` pixels of the large pictures; those that are smaller are left out, and the
    description says how many. Validation and test take whole pictures, each at its size. Costs are counted for a result of ``height`` x
    ``width``, or of a crop. ``limit`` takes the first so many of each split.

    Raises ``ConfigError`` for arguments, ``DataError`` for folders; ``Dataset.check`` and the first use raise ``DataError`` for files.
    """
    del seed  # The samples are what the files say.
    problems = Problems("super_resolution")
    problems.at_least(2, scale=scale)
    problems.at_least(SMALLEST, crop=crop, height=height, width=width)
    problems.at_least(1, limit=limit)
    problems.expect((height is None) == (width is None), "height and width are given together, or neither")
    folders: dict[str, Mapping[str, str]] = {"train": train, "validation": validation, "test": test}
    for name, given in folders.items():
        problems.folders(name, given, needed=("high",), optional=("low",))
    base = problems.root(root)
    problems.stop()
    for name, size in (("crop", crop), ("height", height), ("width", width)):
        problems.expect(size is None or size % scale == 0, f"{name} must be a multiple of the scale {scale}, got {size}")
    files = {name: _pairs(base, given, problems=problems, split=name, limit=limit) for name, given in folders.items()}
    problems.stop()
    whole = len(files["train"])
    files["train"] = _large_enough(files["train"], crop, scale=scale)
    if not files["train"]:
        raise ConfigError(f"super_resolution: none of the {whole} training pictures is as large as the crop of {crop}")
    left_out = whole - len(files["train"])
    shape = (height or crop, width or crop)
    large, reduced, own = LargePicture(scale), LargePicture(scale, reduced=True), LargePicture(1)
    splits, highs, lows = {}, {}, {}
    for name, pairs in files.items():
        has_low = "low" in folders[name]
        lists = {
            "inputs": FileList([low for _, low in pairs], own if has_low else reduced),
            "targets": FileList([high for high, _ in pairs], large),
        }
        splits[name] = Split(
            name,
            names=[HIGH.sub("", high.stem) for high, _ in pairs],
            input=PictureInput(),
            decode=FileSamples(name, lists, scale=scale),
            scale=scale,
            crop=(crop, crop) if name == "train" else None,
            mirror=mirror,
        )
        highs[name] = scan([high for high, _ in pairs])
        lows[name] = scan([low for _, low in pairs]) if has_low else None
    return Dataset(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        input_shape=(3, shape[0] // scale, shape[1] // scale),
        target_shape=(3, *shape),
        class_names=(),
        description=described(
            f"{base.name}, {scale} times larger (super-resolution; training crops of {crop}x{crop}, evaluation at full size)",
            f"training pictures smaller than a crop, left out: {left_out} of {whole}" if left_out else "",
            said([one for found in highs.values() for one in found]),
        ),
        fingerprint=sha256_json(
            {
                "super_resolution": {"scale": scale, "crop": crop, "mirror": mirror},
                "high": {name: listed([high for high, _ in files[name]], found) for name, found in highs.items()},
                "low": {name: found and [one.sha256 for one in found] for name, found in lows.items()},
            }
        ),
    )


def _pairs(base: Path, folders: Mapping[str, str], *, problems: Problems, split: str, limit: int | None) -> list[tuple[Path, Path]]:
    """Return each large picture with the file that its small one is made of."""
    high = [path for path in pictures_in(base / folders["high"], problems=problems, what=split) if not path.stem.upper().endswith("_LR")]
    if "low" not in folders:
        return [(path, path) for path in high[:limit]]
    low = pictures_in(base / folders["low"], problems=problems, what=split)
    if folders["low"] == folders["high"]:
        low = [path for path in low if path not in set(high)]
    small, large = {LOW.sub("", path.stem): path for path in low}, {HIGH.sub("", path.stem): path for path in high}
    lonely = {folders["high"]: sorted(set(large) - set(small)), folders["low"]: sorted(set(small) - set(large))}
    if high and low and any(lonely.values()):
        only = "; ".join(f"{len(names)} only in {folder}: {few(names)}" for folder, names in lonely.items() if names)
        problems.missing(f"{split}: large and small pictures are paired by name, without _HR, _LR or x4, and some have no partner: {only}")
        return []
    return [(large[name], small[name]) for name in sorted(large)][:limit]


def _large_enough(pairs: Sequence[tuple[Path, Path]], crop: int, *, scale: int) -> list[tuple[Path, Path]]:
    """Return the pairs whose large picture has room for a crop."""
    shapes = FileList([high for high, _ in pairs], LargePicture(scale)).sizes() or ()
    return [pair for pair, shape in zip(pairs, shapes, strict=True) if min(shape[1:]) >= crop]
