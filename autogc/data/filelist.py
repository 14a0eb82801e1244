"""Pictures that are files: decoded all at once where they fit in memory, one batch at a time otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from autogc.data.cache import CACHE
from autogc.data.readers import Reader, read
from autogc.data.samples import DecodedList, Pictures, Samples
from autogc.data.threads import in_threads
from autogc.errors import DataError
from autogc.progress import Progress, Silent

# A split that would take more bytes than this, decoded, is read from its files again and again.
MEMORY_LIMIT = 4 << 30


class FileList:
    """Pictures (a ``PictureList``) that are decoded when they are asked for. It pickles as its paths: a worker needs the files."""

    def __init__(self, files: Sequence[Path], reader: Reader) -> None:
        self.files = tuple(files)
        self.reader = reader
        self._shapes: list[tuple[int, ...]] | None = None
        self._owner = CACHE.owner()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> np.ndarray:
        return CACHE.get((self._owner, place), lambda: self._read(place))

    def take(self, places: Sequence[int]) -> list[np.ndarray]:
        return in_threads(self.__getitem__, places)

    def shape(self, place: int) -> tuple[int, ...]:
        sizes = self.sizes()
        if sizes is not None:
            return sizes[place]
        assert self.reader.fixed is not None
        return self.reader.fixed

    def sizes(self) -> Sequence[tuple[int, ...]] | None:
        if self.reader.fixed is None and self._shapes is None:
            self._shapes = in_threads(self.reader.shape, self.files)
        return self._shapes

    @property
    def nbytes(self) -> int:
        """Of all pictures, decoded."""
        sizes = self.sizes()
        return sum(map(prod, sizes)) if sizes is not None else len(self) * prod(self.reader.fixed or ())

    def decoded(self, tell: Callable[[int], None]) -> Pictures:
        """Return all pictures decoded: one array, or a list where they differ in size."""
        sizes = self.sizes()
        if sizes is None:
            sizes = [self.reader.fixed or ()] * len(self)
        if len(set(sizes)) > 1:
            return DecodedList(in_threads(lambda path: read(self.reader, path), self.files, tell=tell))
        # Filled in place, so that nothing is in memory twice.
        pictures = np.empty((len(self), *sizes[0]), np.uint8)

        def fill(place: int) -> None:
            pictures[place] = read(self.reader, self.files[place])

        in_threads(fill, range(len(self)), tell=tell)
        return pictures

    def check(self, progress: Progress | None = None) -> None:
        progress = progress or Silent()
        progress.start("decoding images", total=len(self))
        in_threads(lambda path: read(self.reader, path).nbytes, self.files, tell=progress.update)

    def _read(self, place: int) -> tuple[np.ndarray, int]:
        picture = read(self.reader, self.files[place])
        picture.setflags(write=False)  # The cache hands out the same one again.
        return picture, picture.nbytes

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files, "reader": self.reader, "_shapes": self._shapes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"_owner": CACHE.owner()}


@dataclass(frozen=True, eq=False)
class FileSamples:
    """How a split is decoded whose samples are files: ``lists`` are the fields of its ``Samples``. Called with who is told of it."""

    split: str
    lists: Mapping[str, FileList]
    domains: np.ndarray | None = None
    scale: int = 1
    limit: int = field(default_factory=lambda: MEMORY_LIMIT)

    def __call__(self, progress: Progress) -> Samples:
        """Return the samples, decoded unless they are too many; raises ``DataError`` for a file that cannot be used."""
        self.check_scale()
        if sum(files.nbytes for files in self.lists.values()) > self.limit:
            return Samples(**self.lists, domains=self.domains)  # type: ignore[arg-type]
        total = sum(len(files) for files in self.lists.values())
        progress.start(f"reading {self.split} images", total=total)
        parts: dict[str, Pictures] = {}
        done = 0
        for name, files in self.lists.items():
            parts[name] = files.decoded(lambda count, before=done: progress.update(before + count))  # type: ignore[misc]
            done += len(files)
        return Samples(**parts, domains=self.domains)  # type: ignore[arg-type]

    def check_scale(self) -> None:
        """Raise ``DataError`` for an input that is not ``scale`` times smaller than its target, where their sizes are the files' own."""
        if "inputs" not in self.lists or self.lists["inputs"].reader.fixed is not None:
            return
        given, made = self.lists["inputs"], self.lists["targets"]
        for place, (low, high) in enumerate(zip(given.sizes() or (), made.sizes() or (), strict=True)):
            if tuple(self.scale * size for size in low[1:]) != high[1:]:
                raise DataError(
                    f"{given.files[place]} is {low[2]}x{low[1]} pixels and {made.files[place]} gives {high[2]}x{high[1]}: "
                    f"not {self.scale} times as large"
                )
