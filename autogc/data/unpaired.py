"""Pictures of two domains that know nothing of each other, in CycleGAN's folders (Zhu et al., ICCV 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autogc.data.arguments import Problems
from autogc.data.dataset import Dataset, Split
from autogc.data.filelist import FileList, FileSamples
from autogc.data.inputs import PictureInput
from autogc.data.listing import described, hold_out, listed, pictures_in, said, scan
from autogc.data.readers import Photo
from autogc.data.registry import DATASETS
from autogc.files import sha256_json


@DATASETS.register("unpaired_folders")
def unpaired_folders(
    *,
    root: str,
    height: int,
    width: int,
    validation_count: int,
    source: str = "A",
    target: str = "B",
    load_height: int | None = None,
    load_width: int | None = None,
    limit: int | None = None,
    mirror: bool = True,
    seed: int,
) -> Dataset:
    """Return unpaired pictures from the folders ``trainA``, ``trainB``, ``testA`` and ``testB`` under ``root``.

    The generator makes pictures of ``target`` out of those of ``source``; A and B are the ends of the folders' names. ``validation_count``
    pictures of each are held out of the training folders. Everything is resized to ``height`` x ``width``; with ``load_height`` and
    ``load_width`` the training pictures are resized to those, and ``height`` x ``width`` of them is cut out at random. ``limit`` takes the
    first so many of each folder. Generated pictures are compared with training and test pictures together, as the papers do (all of the
    target's two folders; while searching, all of its training folder).

    Raises ``ConfigError`` for arguments, ``DataError`` for folders; ``Dataset.check`` and the first use raise ``DataError`` for files.
    """
    problems = Problems("unpaired_folders")
    problems.size(height, width, load_height, load_width)
    problems.at_least(1, limit=limit, validation_count=validation_count)
    problems.expect(source != target, f"source and target must differ, both are {source!r}")
    base = problems.root(root)
    problems.stop()
    names = {(part, side): f"{part}{side}" for part in ("train", "test") for side in (source, target)}
    files = {key: pictures_in(base / name, problems=problems, what="unpaired_folders")[:limit] for key, name in names.items()}
    for side in (source, target):
        count = len(files["train", side])
        problems.expect(not count or validation_count < count, f"validation_count {validation_count} leaves nothing of {count} train{side}")
    problems.stop()
    for side in (source, target):
        kept, held = hold_out(files["train", side], validation_count, seed=seed, key=lambda path: path.name)
        files["train", side], files["validation", side] = kept, held
    scanned = {key: scan(found) for key, found in files.items()}
    photo = Photo(height, width)
    loaded = photo if load_height is None or load_width is None else Photo(load_height, load_width)

    def split(name: str, reader: Photo, references: Sequence[Split] = ()) -> Split:
        lists = {"inputs": FileList(files[name, source], reader), "targets": FileList(files[name, target], reader)}
        return Split(
            name,
            names=[path.stem for path in files[name, source]],
            input=PictureInput(),
            decode=FileSamples(name, lists),
            paired=False,
            crop=None if reader is photo else (height, width),
            mirror=mirror,
            references=references,
        )

    train = split("train", loaded)
    # Real pictures are compared at the size of generated ones.
    real = train if loaded is photo else _references(files["train", target], photo)
    validation = split("validation", photo)
    validation.references = (real, validation)
    test = split("test", photo)
    test.references = (real, validation, test)
    everything = [one for found in scanned.values() for one in found]
    arguments = {"height": height, "width": width, "load": [load_height, load_width], "mirror": mirror}
    return Dataset(
        train=train,
        validation=validation,
        test=test,
        input_shape=(3, height, width),
        target_shape=(3, height, width),
        class_names=(),
        description=described(f"{base.name} {width}x{height}, {source} to {target} (unpaired pictures from folders)", said(everything)),
        fingerprint=sha256_json(
            {
                "unpaired_folders": arguments,
                "files": {
                    f"{part}-{'target' if side == target else 'source'}": listed(files[part, side], found)
                    for (part, side), found in scanned.items()
                },
            }
        ),
        kind="unpaired",
    )


def _references(files: Sequence[Path], photo: Photo) -> Split:
    decode = FileSamples("train-references", {"targets": FileList(files, photo)})
    return Split("train-references", names=[path.stem for path in files], input=PictureInput(), decode=decode, paired=False)
