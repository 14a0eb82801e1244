"""Writing a dataset as Parquet shards."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from autogc.data.dataset import Dataset, Split
from autogc.data.packed.manifest import FORMAT, MANIFEST, VERSION, Column, Manifest, PackedSplit, Shard, Table, facts_of, splits_of
from autogc.data.packed.tables import DOMAINS, NAME, PLACE, shape_column
from autogc.data.samples import Pictures, shape_of
from autogc.errors import ConfigError
from autogc.files import replacing_directory, sha256_file, write_json
from autogc.progress import Progress, Silent

# Bytes of pixels. A group is what is read for one picture where a set does not fit in memory; a shard what a worker fetches at a time.
GROUP_BYTES = 1 << 20
SHARD_BYTES = 256 << 20


def pack(data: Dataset, directory: str | Path, *, rows_per_shard: int | None = None, progress: Progress | None = None) -> Manifest:
    """Write ``data`` to the new ``directory``, whole or not at all. By default a shard holds about 256 MB of pixels.

    Raises ``ConfigError`` for a directory that exists, ``DataError`` for files of the dataset that cannot be used.
    """
    directory = Path(directory)
    if directory.exists():
        raise ConfigError(f"{directory} exists already: name a new directory, or remove it", source="data pack")
    if rows_per_shard is not None and rows_per_shard < 1:
        raise ConfigError(f"a shard has at least 1 row, not {rows_per_shard}", source="data pack")
    progress = progress or Silent()
    splits = splits_of(data)
    with replacing_directory(directory) as beside:
        packed = [_pack_split(split, data, beside, rows_per_shard=rows_per_shard, progress=progress) for split in splits]
        manifest = Manifest(facts=facts_of(data), splits=tuple(packed))
        write_json(beside / MANIFEST, manifest.to_json())
    return manifest


def _pack_split(split: Split, data: Dataset, directory: Path, *, rows_per_shard: int | None, progress: Progress) -> PackedSplit:
    samples = split.load(progress)
    lists = samples.lists
    # What is not paired has a count of its own.
    apart = {} if split.paired else {"targets": lists.pop("targets")}
    domains = samples.domains
    tables = {}
    for name, fields, names in (("samples", lists, split.names), ("pictures", apart, None)):
        if name == "pictures" and not fields:
            continue
        holds_targets = "targets" in fields
        tables[name] = _Writer(
            directory=directory,
            folder=f"{split.name}/{name}",
            fields=fields,
            names=names,
            domains=domains if holds_targets else None,
            metadata={"format": FORMAT, "version": VERSION, "fingerprint": data.fingerprint, "split": split.name, "table": name},
        ).write(rows_per_shard, progress)
    return PackedSplit(
        name=split.name,
        input=split.input,
        paired=split.paired,
        scale=split.scale,
        crop=split.crop,
        mirror=split.mirror,
        references=tuple(one.name for one in split.references),
        tables=tables,
    )


class _Writer:
    """Writes one table: pictures of several fields of the same count, and perhaps names and domains."""

    def __init__(
        self,
        *,
        directory: Path,
        folder: str,
        fields: dict[str, Pictures],
        names: Sequence[str] | None,
        domains: np.ndarray | None,
        metadata: dict[str, Any],
    ) -> None:
        self.directory = directory
        self.folder = folder
        self.fields = fields
        self.names = names
        self.domains = domains
        self.rows = len(names) if names is not None else len(next(iter(fields.values())))
        self.columns = [_column(name, pictures) for name, pictures in fields.items()]
        parts = [pa.field(PLACE, pa.int64())]
        parts += [] if names is None else [pa.field(NAME, pa.string())]
        for column in self.columns:
            parts.append(pa.field(column.field, pa.large_binary()))
            parts += [] if column.shape is not None else [pa.field(shape_column(column.field), pa.list_(pa.int32()))]
        parts += [] if domains is None else [pa.field(DOMAINS, pa.list_(pa.uint8()))]
        self.schema = pa.schema(parts, metadata={"autogc": json.dumps(metadata, sort_keys=True)})

    def write(self, rows_per_shard: int | None, progress: Progress) -> Table:
        """Write the shards and return what there is to say of them."""
        row_bytes = sum(column.nbytes for column in self.columns) / max(self.rows, 1)
        most = rows_per_shard or int(SHARD_BYTES // max(row_bytes, 1))
        rows_per_group = int(min(max(GROUP_BYTES // max(row_bytes, 1), 1), most))
        # Whole groups to a shard, so that a row's place says where it is.
        per_shard = max(most // rows_per_group, 1) * rows_per_group
        (self.directory / self.folder).mkdir(parents=True)
        progress.start(f"packing {self.folder}", total=self.rows)
        shards = []
        starts = [*range(0, self.rows, per_shard), self.rows]
        for number, (start, end) in enumerate(pairwise(starts)):
            file = f"{self.folder}/{number:05d}.parquet"
            with pq.ParquetWriter(self.directory / file, self.schema, compression="zstd", use_dictionary=False) as writer:
                for group in self._groups(start, end, rows_per_group):
                    writer.write_table(group, row_group_size=rows_per_group)
                    progress.update(group[PLACE][-1].as_py() + 1)
            with (self.directory / file).open("rb") as written:
                os.fsync(written.fileno())
            shards.append(Shard(file, end - start, sha256_file(self.directory / file)))
        count = 0 if self.domains is None else self.domains.shape[1]
        return Table(self.rows, rows_per_group, tuple(self.columns), count, tuple(shards))

    def _groups(self, start: int, end: int, rows: int) -> Iterator[pa.Table]:
        for first in range(start, end, rows):
            places = range(first, min(first + rows, end))
            values: list[Any] = [pa.array(places, pa.int64())]
            if self.names is not None:
                values.append([self.names[place] for place in places])
            for column in self.columns:
                pictures = self.fields[column.field]
                found = [pictures[place] for place in places] if isinstance(pictures, np.ndarray) else pictures.take(places)
                values.append(pa.array([np.ascontiguousarray(picture).tobytes() for picture in found], pa.large_binary()))
                if column.shape is None:
                    values.append(pa.array([picture.shape for picture in found], pa.list_(pa.int32())))
            if self.domains is not None:
                values.append(pa.array(self.domains[places.start : places.stop].tolist(), pa.list_(pa.uint8())))
            yield pa.table(values, schema=self.schema)


def _column(field: str, pictures: Pictures) -> Column:
    sizes = None if isinstance(pictures, np.ndarray) else pictures.sizes()
    if sizes is None:
        shape = tuple(shape_of(pictures, 0))
        return Column(field, shape, len(pictures) * int(np.prod(shape)))
    return Column(field, None, sum(int(np.prod(size)) for size in sizes))
