"""Pictures out of shards: views of Arrow's memory, whole tables as arrays, groups of rows when they are asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autogc.data.cache import CACHE
from autogc.data.packed.manifest import Column, Shard, Table
from autogc.data.packed.place import Place
from autogc.data.samples import DecodedList, Pictures
from autogc.data.threads import in_threads
from autogc.progress import Progress, Silent

if TYPE_CHECKING:
    import pyarrow as pa

# Column names that are no field of ``Samples``.
PLACE, NAME, DOMAINS = "place", "name", "domains"


def shape_column(field: str) -> str:
    """Return the name of the column that holds the shapes of a field whose pictures differ in size."""
    return f"{field}_shape"


def views(table: pa.Table, column: Column) -> Iterator[tuple[int, Sequence[np.ndarray]]]:
    """Yield the place of a first picture, and it and those that follow as views of the table's memory; nothing is copied."""
    if not table.num_rows:
        return
    place = table[PLACE][0].as_py()
    shapes = None if column.shape is not None else table[shape_column(column.field)].to_pylist()
    row = 0
    for chunk in table[column.field].chunks:
        if not len(chunk):
            continue
        ends = np.frombuffer(chunk.buffers()[1], np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        pixels = np.frombuffer(chunk.buffers()[2], np.uint8)
        if column.shape is not None:
            yield place + row, list(pixels[ends[0] : ends[-1]].reshape(len(chunk), *column.shape))
        else:
            assert shapes is not None
            pairs = zip(ends[:-1], ends[1:], shapes[row : row + len(chunk)], strict=True)
            yield place + row, [pixels[start:end].reshape(shape) for start, end, shape in pairs]
        row += len(chunk)


def read_all(place: Place, table: Table, *, tell: Callable[[int], None]) -> tuple[dict[str, Pictures], np.ndarray | None]:
    """Return every field's pictures, as arrays or as lists where sizes differ, and the domains (N, D) where there are any."""
    found: dict[str, Any] = {
        one.field: [None] * table.rows if one.shape is None else np.empty((table.rows, *one.shape), np.uint8) for one in table.columns
    }
    domains = np.empty((table.rows, table.domains), np.uint8) if table.domains else None

    def fill(shard: Shard) -> None:
        rows = place.table(shard)
        for column in table.columns:
            for first, pictures in views(rows, column):
                found[column.field][first : first + len(pictures)] = pictures
        if domains is not None and rows.num_rows:
            first = rows[PLACE][0].as_py()
            domains[first : first + rows.num_rows] = rows[DOMAINS].to_pylist()

    in_threads(fill, table.shards, tell=tell)
    return {name: DecodedList(one) if isinstance(one, list) else one for name, one in found.items()}, domains


class BlockList:
    """Pictures (a ``PictureList``) that lie in blocks of memory, which others may share. ``keep`` is what keeps the blocks alive."""

    def __init__(self, column: Column, tables: Sequence[pa.Table], *, keep: Any = None) -> None:
        self._blocks = sorted((block for table in tables for block in views(table, column)), key=lambda block: block[0])
        self._starts = [first for first, _ in self._blocks]
        self._same = column.shape is not None
        self._keep = keep

    def __len__(self) -> int:
        return self._starts[-1] + len(self._blocks[-1][1]) if self._blocks else 0

    def __getitem__(self, place: int) -> np.ndarray:
        first, pictures = self._blocks[bisect_right(self._starts, place) - 1]
        return pictures[place - first]

    def take(self, places: Sequence[int]) -> list[np.ndarray]:
        return [self[place] for place in places]

    def shape(self, place: int) -> tuple[int, ...]:
        return self[place].shape

    def sizes(self) -> Sequence[tuple[int, ...]] | None:
        return None if self._same else [picture.shape for _, pictures in self._blocks for picture in pictures]

    def check(self, progress: Progress | None = None) -> None:
        del progress  # They were read, and their hashes compared, to make the blocks.


class GroupList:
    """Pictures (a ``PictureList``) of a table that is too large for memory: groups of rows are read when one of them is asked for."""

    def __init__(self, place: Place, table: Table, column: Column) -> None:
        self.place = place
        self.table = table
        self.column = column
        self._rows_per_shard = table.shards[0].rows
        self._shapes: list[tuple[int, ...]] | None = None
        self._empty()

    def __len__(self) -> int:
        return self.table.rows

    def __getitem__(self, place: int) -> np.ndarray:
        shard, row = divmod(place, self._rows_per_shard)
        group, row = divmod(row, self.table.rows_per_group)
        return self._group(shard, group)[row]

    def take(self, places: Sequence[int]) -> list[np.ndarray]:
        return in_threads(self.__getitem__, places)

    def shape(self, place: int) -> tuple[int, ...]:
        sizes = self.sizes()
        if sizes is not None:
            return sizes[place]
        assert self.column.shape is not None
        return self.column.shape

    def sizes(self) -> Sequence[tuple[int, ...]] | None:
        if self.column.shape is None and self._shapes is None:
            name = shape_column(self.column.field)
            found = in_threads(lambda shard: self.place.column(shard, name), self.table.shards)
            self._shapes = [tuple(shape) for shapes in found for shape in shapes]
        return self._shapes

    def check(self, progress: Progress | None = None) -> None:
        progress = progress or Silent()
        progress.start(f"reading shards of {self.column.field}", total=len(self.table.shards))
        in_threads(self.place.check, self.table.shards, tell=progress.update)

    def _group(self, shard: int, group: int) -> Sequence[np.ndarray]:
        return CACHE.get((self._owner, shard, group), lambda: self._read(shard, group))

    def _read(self, shard: int, group: int) -> tuple[Sequence[np.ndarray], int]:
        file = self.place.parquet(self.table.shards[shard], self._metadata.get(shard))
        self._metadata[shard] = file.metadata
        shapes = [] if self.column.shape is not None else [shape_column(self.column.field)]
        rows = file.read_row_group(group, columns=[PLACE, self.column.field, *shapes], use_threads=False)
        pictures = [picture for _, found in views(rows, self.column) for picture in found]
        return pictures, sum(picture.nbytes for picture in pictures)

    def _empty(self) -> None:
        self._owner = CACHE.owner()
        self._metadata: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_owner", "_metadata")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._empty()
