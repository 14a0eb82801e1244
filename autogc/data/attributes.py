"""Pictures with attributes that a table lists, each to become a picture with others (StarGAN: Choi et al., CVPR 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autogc.data.arguments import Problems
from autogc.data.dataset import Dataset, Split
from autogc.data.filelist import FileList, FileSamples
from autogc.data.inputs import DomainInput
from autogc.data.listing import described, few, hold_out, listed, said, scan
from autogc.data.readers import Photo
from autogc.data.registry import DATASETS
from autogc.data.tables import read_attributes, read_partition
from autogc.files import sha256_json


@dataclass(frozen=True)
class Member:
    """One picture, what it belongs to, 0 or 1 for each domain, and the sample's name."""

    path: Path
    domains: tuple[int, ...]
    name: str


@DATASETS.register("attributes")
def attributes(
    *,
    root: str,
    table: str,
    domains: list[str],
    height: int,
    width: int,
    pictures: str = ".",
    crop: int | None = None,
    partition: str | None = None,
    validation_count: int | None = None,
    test_count: int | None = None,
    limit: int | None = None,
    mirror: bool = True,
    seed: int,
) -> Dataset:
    """Return pictures and what a table says of them, for a generator that changes it.

    ``table`` and ``partition`` are files and ``pictures`` is a folder, all under ``root``. The table is in the format of CelebA's
    ``list_attr_celeba.txt``, or a CSV; ``domains`` are those of its attributes that the generator is asked for. The splits are those of
    ``partition`` (CelebA's ``list_eval_partition.txt``), or ``validation_count`` and ``test_count`` pictures are held out, which the seed
    decides. Pictures are cut to the ``crop`` x ``crop`` pixels in their middle (178 for CelebA), then resized to ``height`` x ``width``.
    ``limit`` takes the first so many of each split.

    Raises ``ConfigError`` for arguments, ``DataError`` for files that the table names and that are not there; ``Dataset.check`` and the
    first use raise ``DataError`` for files that cannot be used.
    """
    problems = Problems("attributes")
    problems.size(height, width)
    problems.at_least(8, crop=crop)
    problems.at_least(1, validation_count=validation_count, test_count=test_count, limit=limit)
    problems.expect(len(domains) > 0 and len(set(domains)) == len(domains), f"domains must name different attributes, got {domains}")
    counted = validation_count is not None and test_count is not None
    problems.expect(
        counted if partition is None else validation_count is None and test_count is None,
        "give a partition, or validation_count and test_count",
    )
    base = problems.root(root)
    for name in (table, partition):
        if name is not None and base.is_dir() and not (base / name).is_file():
            problems.missing(f"attributes: there is no file {base / name}")
    problems.stop()
    names, values = read_attributes(base / table, domains)
    folder = base / pictures
    members = [Member(folder / name, tuple(row), Path(name).stem) for name, row in zip(names, values.tolist(), strict=True)]
    there = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    absent = [member.path.name for member in members if member.path.name not in there]
    if absent:
        problems.missing(f"attributes: {len(absent)} of the {len(members)} files in {table} are not in {folder}: {few(absent)}")
    problems.stop()
    if partition is not None:
        part_of = read_partition(base / partition)
        splits = {name: [one for one in members if part_of.get(one.path.name) == name] for name in ("train", "validation", "test")}
    else:
        assert validation_count is not None and test_count is not None
        rest, test = hold_out(members, test_count, seed=seed, key=lambda one: one.path.name)
        train, validation = hold_out(rest, validation_count, seed=seed, key=lambda one: one.path.name)
        splits = {"train": train, "validation": validation, "test": test}
    splits = {name: chosen[:limit] for name, chosen in splits.items()}
    for name, chosen in splits.items():
        problems.expect(bool(chosen), f"nothing of {len(members)} pictures is left for {name}")
    problems.stop()
    return domain_dataset(
        splits,
        photo=Photo(height, width, centre=crop),
        domains=tuple(domains),
        exclusive=False,
        mirror=mirror,
        description=f"{base.name} {width}x{height} (pictures with attributes: {', '.join(domains)})",
        name="attributes",
    )


def domain_dataset(
    splits: dict[str, list[Member]],
    *,
    photo: Photo,
    domains: tuple[str, ...],
    exclusive: bool,
    mirror: bool,
    description: str,
    name: str,
) -> Dataset:
    """Return the dataset of pictures whose domains are known."""
    made, scanned = {}, {}
    for split, members in splits.items():
        files = [member.path for member in members]
        scanned[split] = scan(files)
        belongs = np.asarray([member.domains for member in members], np.uint8)
        made[split] = Split(
            split,
            names=[member.name for member in members],
            input=DomainInput(),
            decode=FileSamples(split, {"targets": FileList(files, photo)}, domains=belongs),
            mirror=mirror,
        )
    contents = {
        split: [
            [*file, list(member.domains)]
            for file, member in zip(listed([one.path for one in members], scanned[split]), members, strict=True)
        ]
        for split, members in splits.items()
    }
    arguments = {"height": photo.height, "width": photo.width, "centre": photo.centre, "mirror": mirror, "domains": domains}
    return Dataset(
        train=made["train"],
        validation=made["validation"],
        test=made["test"],
        input_shape=(3 + len(domains), photo.height, photo.width),
        target_shape=(3, photo.height, photo.width),
        class_names=(),
        description=described(description, said([one for found in scanned.values() for one in found])),
        fingerprint=sha256_json({name: arguments, "files": contents}),
        kind="domains",
        domain_names=domains,
        exclusive_domains=exclusive,
    )
