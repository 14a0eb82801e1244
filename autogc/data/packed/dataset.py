"""The dataset ``parquet``: what was packed, here or in a bucket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from autogc.data import filelist
from autogc.data.dataset import Dataset, Split
from autogc.data.packed.manifest import MANIFEST, Manifest, PackedSplit, Table
from autogc.data.packed.place import Place
from autogc.data.registry import DATASETS
from autogc.data.samples import Pictures, Samples
from autogc.data.splits import SPLITS
from autogc.errors import DataError
from autogc.progress import Progress


@DATASETS.register("parquet")
def parquet(*, root: str, seed: int) -> Dataset:
    """Return the dataset that ``autogc data pack`` wrote to ``root``, a directory or a URL such as ``s3://bucket/folder``.

    Its samples, their order and its fingerprint are those of the dataset that was packed. What was drawn from the seed then, such as noise
    and which samples are held out, is as it was. Credentials for a bucket come from the environment, as pyarrow.fs says.

    Raises ``DataError`` for what is not there or was changed since; ``Dataset.check`` compares every shard with its hash.
    """
    del seed  # The samples are what was packed.
    place = Place(root)
    manifest = Manifest.from_json(place.json(MANIFEST), where=f"{root}/{MANIFEST}")
    made = {packed.name: _split(place, packed) for packed in manifest.splits}
    missing = [name for name in (*SPLITS, *(name for packed in manifest.splits for name in packed.references)) if name not in made]
    if missing:
        raise DataError(f"{root}/{MANIFEST} has no split {missing[0]!r}: pack the set again")
    for packed in manifest.splits:
        made[packed.name].references = tuple(made[name] for name in packed.references)
    facts = manifest.facts
    return Dataset(
        train=made["train"],
        validation=made["validation"],
        test=made["test"],
        input_shape=tuple(facts["input_shape"]),  # type: ignore[arg-type]
        target_shape=tuple(facts["target_shape"]),  # type: ignore[arg-type]
        class_names=tuple(facts["class_names"]),
        description=f"{facts['description']}, packed",
        fingerprint=facts["fingerprint"],
        kind=facts["kind"],
        domain_names=tuple(facts["domain_names"]),
        exclusive_domains=bool(facts["exclusive_domains"]),
        ignore_index=int(facts["ignore_index"]),
    )


@dataclass(frozen=True)
class PackedSamples:
    """How a packed split is decoded: shared by the workers of a training, all at once, or group by group where it is too large."""

    split: str
    place: Place
    tables: tuple[Table, ...]
    limit: int = field(default_factory=lambda: filelist.MEMORY_LIMIT)

    def __call__(self, progress: Progress) -> Samples:
        from autogc.data.packed.shared import training_workers
        from autogc.data.packed.tables import GroupList, read_all

        columns = [(table, column) for table in self.tables for column in table.columns]
        if training_workers() > 1:
            return self._shared()
        if sum(column.nbytes for _, column in columns) > self.limit:
            lists: dict[str, Pictures] = {column.field: GroupList(self.place, table, column) for table, column in columns}
            return _samples(lists, self._domains())
        progress.start(f"reading {self.split} shards", total=sum(len(table.shards) for table in self.tables))
        found: dict[str, Pictures] = {}
        domains, done = None, 0
        for table in self.tables:
            pictures, belongs = read_all(self.place, table, tell=lambda count, before=done: progress.update(before + count))  # type: ignore[misc]
            done += len(table.shards)
            found |= pictures
            domains = domains if belongs is None else belongs
        return _samples(found, domains)

    def _shared(self) -> Samples:
        from autogc.data.packed.shared import shared_tables
        from autogc.data.packed.tables import BlockList

        found: dict[str, Pictures] = {}
        for table in self.tables:
            if table.columns:
                blocks, keep = shared_tables(self.place, table)
                found |= {column.field: BlockList(column, blocks, keep=keep) for column in table.columns}
        return _samples(found, self._domains())

    def _domains(self) -> np.ndarray | None:
        from autogc.data.packed.tables import DOMAINS

        return next((np.asarray(_column(self.place, table, DOMAINS), np.uint8) for table in self.tables if table.domains), None)


def _samples(lists: dict[str, Pictures], domains: np.ndarray | None) -> Samples:
    return Samples(**lists, domains=domains)  # type: ignore[arg-type]


def _split(place: Place, packed: PackedSplit) -> Split:
    from autogc.data.packed.tables import NAME

    return Split(
        packed.name,
        names=[str(name) for name in _column(place, packed.tables["samples"], NAME)],
        input=packed.input,
        decode=PackedSamples(packed.name, place, tuple(packed.tables.values())),
        paired=packed.paired,
        scale=packed.scale,
        crop=packed.crop,
        mirror=packed.mirror,
    )


def _column(place: Place, table: Table, name: str) -> Iterable[object]:
    return [value for shard in table.shards for value in place.column(shard, name)]
