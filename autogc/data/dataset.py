"""What every dataset is: three splits of what a generator is given and of real pictures, and the batches made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from autogc.data.batch import Batch
from autogc.data.inputs import InputKind
from autogc.data.samples import IGNORE_INDEX, Pictures, Samples, Window, gather, shape_of, signed
from autogc.errors import DataError
from autogc.progress import Progress, Silent

# paired: the target is what the input should become. unpaired: pictures of two domains that know nothing of each other.
# inputs: what a generator is given, alone; its outputs are to be imitated.
# unconditional: noise and pictures. domains: pictures with the domains that they belong to, each to become a picture of other domains.
Kind = Literal["paired", "unpaired", "unconditional", "domains", "inputs"]


class Split:
    """A named part of a dataset. Nothing is decoded before the first use.

    ``names`` are the samples', one for each input; ``input`` says how inputs are made of the decoded ``Samples``; ``decode`` reads them.
    Where pictures and inputs are not ``paired`` they have counts of their own. ``crop`` (height, width) of the target is cut at random
    out of training samples, ``scale`` is how many times larger a target is than its input, ``mirror`` whether half of the training samples
    are flipped. ``references`` are the splits whose real pictures the Fréchet distance is taken against; this one's where there are none.
    Pickling a split decodes it and leaves ``decode`` behind, so that a worker needs no files, unless they are too many to be decoded at
    once (``data/filelist.py``).
    """

    def __init__(
        self,
        name: str,
        *,
        names: Sequence[str],
        input: InputKind,
        decode: Callable[[Progress], Samples],
        paired: bool = True,
        scale: int = 1,
        crop: tuple[int, int] | None = None,
        mirror: bool = True,
        references: Sequence[Split] = (),
    ) -> None:
        self.name = name
        self.names = tuple(names)
        self.input = input
        self.paired = paired
        self.scale = scale
        self.crop = crop
        self.mirror = mirror
        # The fingerprint of the dataset that the split is of; the dataset sets it.
        self.dataset = ""
        self.references = tuple(references)
        self._decode: Callable[[Progress], Samples] | None = decode
        self._samples: Samples | None = None

    def __len__(self) -> int:
        return len(self.names)

    def load(self, progress: Progress | None = None) -> Samples:
        """Return the decoded samples; raises ``DataError`` for a file that cannot be used."""
        if self._samples is None:
            assert self._decode is not None
            self._samples = self._decode(progress or Silent())
            assert not self.paired or len(self._samples.targets) == len(self.names)
        return self._samples

    def batch(
        self,
        indices: Tensor | slice | Sequence[int] | None = None,
        *,
        targets: Sequence[int] | None = None,
        windows: Sequence[Window] | None = None,
        target_windows: Sequence[Window] | None = None,
    ) -> Batch:
        """Return the samples at ``indices`` (all of them when None), as float tensors that share no memory with the split.

        ``targets`` are the places of the real pictures where they are not paired: the same numbers by default. ``windows`` are cut out of
        the inputs (in the input's pixels), ``target_windows`` out of the targets; where paired, the same place. Without any, a split that
        is cropped gives the middle of each sample. Samples of different sizes can be together only with windows.
        """
        samples = self.load()
        chosen = _places(indices, len(self))
        wanted = chosen if self.paired else [place % len(samples.targets) for place in (chosen if targets is None else targets)]
        if windows is None and target_windows is None:
            windows, target_windows = self.windows(chosen, wanted)
        if self.paired and windows is not None:
            target_windows = [window.scaled(self.scale) for window in windows]
        made = self.input.make(samples, chosen, windows, split=self.name)
        # Those have a size of their own, which no window of the picture is a window of.
        judged = None if samples.judged is None or windows is not None else torch.from_numpy(gather(samples.judged, chosen, None))
        labels = None if samples.labels is None else torch.from_numpy(gather(samples.labels, chosen, windows).astype(np.int64))
        return Batch(
            input=made.tensor,
            target=signed(gather(samples.targets, wanted, target_windows)),
            labels=labels,
            names=[self.names[place] for place in chosen],
            domains=None if samples.domains is None else torch.from_numpy(samples.domains[np.asarray(wanted)].astype(np.float32)),
            wanted=made.wanted,
            judged=judged,
        )

    def windows(
        self,
        places: Sequence[int],
        targets: Sequence[int],
        *,
        at: np.ndarray | None = None,
        target_at: np.ndarray | None = None,
    ) -> tuple[list[Window] | None, list[Window] | None]:
        """Return what ``batch`` cuts out of the inputs at ``places`` and the real pictures at ``targets``; None where nothing is cut.

        ``at`` and ``target_at`` (n, 2), in [0, 1), say how far down and to the right; the middle without them. Raises ``DataError`` for a
        picture that is smaller than the crop.
        """
        if self.crop is None:
            return None, None
        samples = self.load()
        height, width = self.crop
        if self.paired:
            small = (height // self.scale, width // self.scale)
            return _windows(samples.targets if samples.given is None else samples.given, places, at, size=small), None
        given = None if samples.given is None else _windows(samples.given, places, at, size=self.crop)
        return given, _windows(samples.targets, targets, target_at, size=self.crop)

    def batches(self, batch_size: int, *, limit: int | None = None) -> Iterator[Batch]:
        """Yield the first ``limit`` samples (all when None) in order; the last batch may be smaller, as is one before another size."""
        end = len(self) if limit is None else min(limit, len(self))
        yield from (self.batch(places) for places in _runs(self._sizes(), end, batch_size))

    def real_batches(self, batch_size: int, *, limit: int | None = None) -> Iterator[Tensor]:
        """Yield the real pictures that generated ones are compared with, float32 (n, C, H, W) in [-1, 1].

        They are the targets of the first ``limit`` samples where they are paired, otherwise all pictures of ``references``.
        """
        if self.paired:
            yield from (batch.target for batch in self.batches(batch_size, limit=limit))
            return
        for split in self.references or (self,):
            pictures = split.load().targets
            for places in _runs(None if split.crop else _sizes_of(pictures), len(pictures), batch_size):
                yield signed(gather(pictures, places, split.windows([], places)[1]))

    @property
    def label_size(self) -> str | None:
        """Width x height of the label maps that segmenters are compared with, in words; None where there are no labels."""
        samples = self.load()
        maps = samples.labels if samples.judged is None else samples.judged
        if maps is None:
            return None
        sizes = {shape_of(maps, place) for place in range(len(maps))}
        return "x".join(str(side) for side in reversed(sizes.pop())) if len(sizes) == 1 else "the files' own"

    def _sizes(self) -> Sequence[tuple[tuple[int, ...], ...]] | None:
        """Return the sizes of each sample's target and judged labels, or None where all are equal."""
        if not self.paired or self.crop is not None:
            return None
        samples = self.load()
        lists = [pictures for pictures in (samples.targets, samples.judged) if pictures is not None]
        known = [sizes for sizes in map(_sizes_of, lists) if sizes is not None]
        return list(zip(*known, strict=True)) if known else None

    @property
    def source(self) -> Callable[[Progress], Samples] | None:
        """How it is decoded; None in a copy that travelled."""
        return self._decode

    def __getstate__(self) -> dict[str, Any]:
        # The statistics of the references go with the judge.
        return self.__dict__ | {"_samples": self.load(), "_decode": None, "references": ()}


@dataclass
class Dataset:
    """A dataset: the search scores on ``validation``, reports are on ``test``.

    ``input_shape`` (Cin, h, w) is what the generator is given and costs are counted at; ``target_shape`` (C, H, W) what it makes, with one
    channel where all pictures are grey. ``class_names`` is empty where there are no labels, ``domain_names`` where there are no domains;
    ``exclusive_domains`` says that a picture belongs to exactly one. ``fingerprint`` is a SHA-256 over everything that determines the
    samples.
    """

    train: Split
    validation: Split
    test: Split
    input_shape: tuple[int, int, int]
    target_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    description: str
    fingerprint: str
    kind: Kind = "paired"
    domain_names: tuple[str, ...] = ()
    exclusive_domains: bool = False
    ignore_index: int = IGNORE_INDEX

    def __post_init__(self) -> None:
        for split in self.splits:
            split.dataset = self.fingerprint

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        return (self.train, self.validation, self.test)

    @property
    def input_channels(self) -> int:
        return self.input_shape[0]

    @property
    def target_channels(self) -> int:
        return self.target_shape[0]

    @property
    def height(self) -> int:
        """Of the target."""
        return self.target_shape[1]

    @property
    def width(self) -> int:
        """Of the target."""
        return self.target_shape[2]

    def check(self, progress: Progress | None = None) -> None:
        """Decode every sample of every split, so that whatever is wrong with one is said now (``DataError``)."""
        for split in self.splits:
            split.load(progress).check(progress)


def _places(indices: Tensor | slice | Sequence[int] | None, count: int) -> list[int]:
    if indices is None:
        indices = slice(None)
    if isinstance(indices, slice):
        return list(range(count))[indices]
    places = torch.as_tensor(indices, dtype=torch.int64).tolist()
    return [place + count if place < 0 else place for place in places]


def _sizes_of(pictures: Pictures) -> Sequence[tuple[int, ...]] | None:
    return None if isinstance(pictures, np.ndarray) else pictures.sizes()


def _windows(pictures: Pictures, places: Sequence[int], at: np.ndarray | None, *, size: tuple[int, int]) -> list[Window]:
    """Return a window of ``size`` for each picture, as far down and to the right as ``at`` says."""
    found = []
    for row, place in enumerate(places):
        height, width = shape_of(pictures, place)[-2:]
        if height < size[0] or width < size[1]:
            raise DataError(f"a training picture is {height} x {width} pixels, smaller than the crop of {size[0]} x {size[1]}")
        down, right = (0.5, 0.5) if at is None else at[row]
        found.append(Window(int(down * (height - size[0] + 1)), int(right * (width - size[1] + 1)), *size))
    return found


def _runs(sizes: Sequence[tuple[Any, ...]] | None, end: int, batch_size: int) -> Iterator[list[int]]:
    """Yield consecutive places, at most ``batch_size`` of one size at a time."""
    places: list[int] = []
    for place in range(end):
        if places and (len(places) == batch_size or (sizes is not None and sizes[place] != sizes[places[0]])):
            yield places
            places = []
        places.append(place)
    if places:
        yield places
