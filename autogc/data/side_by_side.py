"""Pairs in one file each, the two pictures side by side: pix2pix's own layout (Isola et al., CVPR 2017)."""

from __future__ import annotations

from autogc.data.arguments import Problems
from autogc.data.dataset import Dataset
from autogc.data.filelist import FileList
from autogc.data.inputs import PictureInput
from autogc.data.listing import described, hold_out, listed, pictures_in, said, scan
from autogc.data.readers import Photo
from autogc.data.registry import DATASETS
from autogc.data.splits import file_splits
from autogc.files import sha256_json

# Which half is the input, the left (0) or the right (1).
DIRECTIONS = {"a_to_b": 0, "b_to_a": 1}


@DATASETS.register("side_by_side")
def side_by_side(
    *,
    root: str,
    height: int,
    width: int,
    direction: str = "a_to_b",
    train: str = "train",
    validation: str | None = None,
    test: str = "test",
    validation_count: int | None = None,
    load_height: int | None = None,
    load_width: int | None = None,
    limit: int | None = None,
    mirror: bool = True,
    seed: int,
) -> Dataset:
    """Return pairs of pictures, A on the left half of a file and B on its right half.

    ``train``, ``validation`` and ``test`` are folders under ``root``; without a ``validation`` folder ``validation_count`` pairs are held
    out of the training folder. Each half is resized to ``height`` x ``width``; with ``load_height`` and ``load_width`` the training halves
    are resized to those (pix2pix: 286 for 256), and ``height`` x ``width`` of them is cut out at random. ``limit`` takes the first so many
    of each folder.

    Raises ``ConfigError`` for arguments, ``DataError`` for folders; ``Dataset.check`` and the first use raise ``DataError`` for files.
    """
    problems = Problems("side_by_side")
    problems.size(height, width, load_height, load_width)
    problems.at_least(1, limit=limit, validation_count=validation_count)
    problems.expect(direction in DIRECTIONS, f"direction must be a_to_b or b_to_a, got {direction!r}")
    problems.expect((validation is None) != (validation_count is None), "give either the folder validation or validation_count")
    base = problems.root(root)
    problems.stop()
    folders = {"train": train, "test": test} | ({} if validation is None else {"validation": validation})
    files = {name: pictures_in(base / folder, problems=problems, what=name)[:limit] for name, folder in folders.items()}
    if validation_count is not None:
        count = len(files["train"])
        problems.expect(not count or validation_count < count, f"validation_count {validation_count} leaves nothing of {count} pairs")
        files["train"], files["validation"] = hold_out(files["train"], validation_count, seed=seed, key=lambda path: path.name)
    problems.stop()
    scanned = {name: scan(found) for name, found in files.items()}
    given = DIRECTIONS.get(direction, 0)

    def lists(split: str, height: int, width: int) -> dict[str, FileList]:
        halves = [Photo(height, width, half=half) for half in (given, 1 - given)]
        return {"inputs": FileList(files[split], halves[0]), "targets": FileList(files[split], halves[1])}

    names = {name: [path.stem for path in found] for name, found in files.items()}
    splits = file_splits(names, lists, input=PictureInput(), size=(height, width), load=(load_height, load_width), mirror=mirror)
    arguments = {"direction": direction, "height": height, "width": width, "load": [load_height, load_width], "mirror": mirror}
    return Dataset(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        input_shape=(3, height, width),
        target_shape=(3, height, width),
        class_names=(),
        description=described(
            f"{base.name} {width}x{height}, {direction.replace('_', ' ')} (pairs side by side)",
            said([one for found in scanned.values() for one in found]),
        ),
        fingerprint=sha256_json(
            {"side_by_side": arguments, "files": {name: listed(files[name], found) for name, found in scanned.items()}}
        ),
    )
