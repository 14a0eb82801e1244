"""One folder of pictures, for a generator that makes such pictures of noise."""

from __future__ import annotations

from autogc.data.arguments import Problems
from autogc.data.dataset import Dataset, Split
from autogc.data.filelist import FileList, FileSamples
from autogc.data.inputs import NoiseInput
from autogc.data.listing import described, hold_out, is_grey, listed, pictures_in, said, scan
from autogc.data.readers import Photo
from autogc.data.registry import DATASETS
from autogc.files import sha256_json


@DATASETS.register("pictures")
def pictures(
    *,
    root: str,
    height: int,
    width: int,
    validation_count: int,
    test_count: int,
    noise: int = 100,
    grey: bool | str = "auto",
    crop: int | None = None,
    generate: int | None = None,
    limit: int | None = None,
    mirror: bool = True,
    seed: int,
) -> Dataset:
    """Return the pictures of the folder ``root``, and noise of ``noise`` channels to make them of.

    ``validation_count`` and ``test_count`` pictures are held out; the seed decides which. Everything is resized to ``height`` x ``width``,
    after the ``crop`` x ``crop`` pixels in the middle are cut out where that is given. ``grey: true`` makes one channel of every picture,
    ``false`` three, ``auto`` one where all files are grey ones. Of validation and test so many noises are drawn as there are pictures, or
    ``generate``. ``limit`` takes the first so many of the folder.

    Raises ``ConfigError`` for arguments, ``DataError`` for folders; ``Dataset.check`` and the first use raise ``DataError`` for files.
    """
    problems = Problems("pictures")
    problems.size(height, width)
    problems.at_least(1, noise=noise, validation_count=validation_count, test_count=test_count, generate=generate, limit=limit, crop=crop)
    problems.expect(grey in (True, False, "auto"), f"grey must be true, false or auto, got {grey!r}")
    base = problems.root(root)
    problems.stop()
    found = pictures_in(base, problems=problems, what="pictures")[:limit]
    if found:
        held = f"validation_count {validation_count} and test_count {test_count}"
        problems.expect(validation_count + test_count < len(found), f"{held} leave nothing of {len(found)} pictures")
    problems.stop()
    scanned = dict(zip(found, scan(found), strict=True))
    one_channel = all(is_grey(one) for one in scanned.values()) if grey == "auto" else bool(grey)
    rest, test = hold_out(found, test_count, seed=seed, key=lambda path: path.name)
    train, validation = hold_out(rest, validation_count, seed=seed, key=lambda path: path.name)
    photo = Photo(height, width, grey=one_channel, centre=crop)
    files = {"train": train, "validation": validation, "test": test}
    splits = {}
    for name, chosen in files.items():
        wanted = len(chosen) if generate is None or name == "train" else generate
        splits[name] = Split(
            name,
            names=[f"noise-{index:05d}" for index in range(wanted)],
            input=NoiseInput(noise, seed),
            decode=FileSamples(name, {"targets": FileList(chosen, photo)}),
            paired=False,
            mirror=mirror,
        )
    arguments = {"noise": noise, "height": height, "width": width, "grey": one_channel, "crop": crop, "mirror": mirror, "seed": seed}
    kind = "one grey channel" if one_channel else "three channels"
    return Dataset(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        input_shape=(noise, 1, 1),
        target_shape=photo.fixed,
        class_names=(),
        description=described(f"{base.name} {width}x{height}, {kind}, from {noise} channels of noise", said(list(scanned.values()))),
        fingerprint=sha256_json(
            {
                "pictures": arguments,
                "counts": {name: len(split) for name, split in splits.items()},
                "files": {name: listed(chosen, [scanned[path] for path in chosen]) for name, chosen in files.items()},
            }
        ),
        kind="unconditional",
    )
