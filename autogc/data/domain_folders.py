"""A folder of pictures for each domain, each picture to become one of another domain (StarGAN's layout for RaFD)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from autogc.data.arguments import Problems
from autogc.data.attributes import Member, domain_dataset
from autogc.data.dataset import Dataset
from autogc.data.listing import hold_out, pictures_in
from autogc.data.readers import Photo
from autogc.data.registry import DATASETS
from autogc.data.splits import SPLITS

FEWEST = 2


@DATASETS.register("domain_folders")
def domain_folders(
    *,
    root: str,
    height: int,
    width: int,
    validation_count: int,
    train: str = ".",
    test: str | None = None,
    test_count: int | None = None,
    domains: list[str] | None = None,
    crop: int | None = None,
    limit: int | None = None,
    mirror: bool = True,
    seed: int,
) -> Dataset:
    """Return pictures that belong to exactly one domain each, the one whose folder they are in.

    ``root/train`` holds a folder for each domain; ``domains`` are those that are taken, all in the order of their names by default.
    ``validation_count`` pictures of each are held out of training. The test pictures are in folders of the same names in ``root/test``, or
    ``test_count`` of each are held out too. Pictures are cut to the ``crop`` x ``crop`` pixels in their middle, then resized to ``height``
    x ``width``. ``limit`` takes the first so many of each folder.

    Raises ``ConfigError`` for arguments, ``DataError`` for folders; ``Dataset.check`` and the first use raise ``DataError`` for files.
    """
    problems = Problems("domain_folders")
    problems.size(height, width)
    problems.at_least(1, validation_count=validation_count, test_count=test_count, limit=limit, crop=crop)
    problems.expect((test is None) != (test_count is None), "give either the folder test or test_count")
    base = problems.root(root)
    problems.stop()
    there = sorted(entry.name for entry in (base / train).iterdir() if entry.is_dir()) if (base / train).is_dir() else []
    chosen = tuple(domains or there)
    problems.expect(len(set(chosen)) == len(chosen) >= FEWEST, f"at least {FEWEST} different domains are needed, got {list(chosen)}")
    splits: dict[str, list[Member]] = {name: [] for name in SPLITS}
    for place, domain in enumerate(chosen):
        files = pictures_in(base / train / domain, problems=problems, what=domain)[:limit]
        held = validation_count + (test_count or 0)
        problems.expect(not files or held < len(files), f"holding out {held} leaves nothing of the {len(files)} pictures of {domain!r}")
        if test is not None:
            found = {"test": pictures_in(base / test / domain, problems=problems, what=domain)[:limit]}
        else:
            files, kept = hold_out(files, test_count or 0, seed=seed, key=lambda path: path.name)
            found = {"test": kept}
        found["train"], found["validation"] = hold_out(files, validation_count, seed=seed, key=lambda path: path.name)
        for name, paths in found.items():
            splits[name] += [_member(path, place, len(chosen)) for path in paths]
    problems.stop()
    return domain_dataset(
        {name: _mixed(members, seed=seed) for name, members in splits.items()},
        photo=Photo(height, width, centre=crop),
        domains=chosen,
        exclusive=True,
        mirror=mirror,
        description=f"{base.name} {width}x{height} (a folder for each domain: {', '.join(chosen)})",
        name="domain_folders",
    )


def _mixed(members: list[Member], *, seed: int) -> list[Member]:
    """Return them in an order without domains, which the seed decides: the first so many that a search scores on are of all of them."""
    return sorted(members, key=lambda one: hashlib.sha256(f"{seed}:{one.name}".encode()).digest())


def _member(path: Path, place: int, count: int) -> Member:
    return Member(path, tuple(int(other == place) for other in range(count)), name=f"{path.parent.name}/{path.stem}")
