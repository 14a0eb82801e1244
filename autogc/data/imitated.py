"""A dataset whose targets are what a generator makes of another dataset's inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from autogc.data.dataset import Dataset, Split
from autogc.data.inputs import AskedInput, DomainInput, InputKind, NoiseInput, PictureInput
from autogc.data.samples import DecodedList, Pictures, Samples, shape_of
from autogc.files import replacing
from autogc.progress import Progress

# Inputs of one size that a generator is run on at a time.
BATCH = 8

# Maps inputs (N, Cin, h, w) to pictures (N, C, H, W) in [-1, 1].
Generate = Callable[[Tensor], Tensor]


class Growth(NamedTuple):
    """How a generator's outputs are larger than its inputs: ``scale`` times, with ``channels``; always ``fixed`` where inputs are noise."""

    channels: int
    scale: int
    fixed: tuple[int, int] | None = None


class OutputList:
    """What ``generate`` makes of a split's inputs (a ``PictureList``), rounded to 8 bits as images are saved. Made when it is asked for.

    With ``scratch``, a directory, each output is kept there too, so that after a kill none is made again; who is done removes it.
    """

    def __init__(self, given: Split, generate: Generate, growth: Growth, *, scratch: Path | None = None) -> None:
        self._scratch = scratch
        self._given = given
        self._generate = generate
        self._growth = growth

    def __len__(self) -> int:
        return len(self._given)

    def __getitem__(self, place: int) -> np.ndarray:
        return self.take([place])[0]

    def take(self, places: Sequence[int]) -> list[np.ndarray]:
        samples = self._given.load()
        found = {place: kept for place in places if (kept := self._left(place)) is not None}
        for some in _of_one_size([place for place in places if place not in found], self.shape):
            with torch.inference_mode():
                made = eight_bits(self._generate(self._given.input.make(samples, some, None, split=self._given.name).tensor))
            for place, output in zip(some, made, strict=True):
                found[place] = output
                self._leave(place, output)
        return [found[place] for place in places]

    def shape(self, place: int) -> tuple[int, ...]:
        channels, scale, fixed = self._growth
        if fixed is not None:
            return (channels, *fixed)
        shown = _shown(self._given.load())
        return (channels, *(scale * side for side in shape_of(shown, place)[-2:]))

    def sizes(self) -> Sequence[tuple[int, ...]]:
        return [self.shape(place) for place in range(len(self))]

    def _left(self, place: int) -> np.ndarray | None:
        path = None if self._scratch is None else self._scratch / f"{place}.npy"
        return np.load(path, allow_pickle=False) if path is not None and path.is_file() else None

    def _leave(self, place: int, output: np.ndarray) -> None:
        if self._scratch is not None:
            self._scratch.mkdir(parents=True, exist_ok=True)
            with replacing(self._scratch / f"{place}.npy") as beside, beside.open("wb") as file:
                np.save(file, output, allow_pickle=False)

    def check(self, progress: Progress | None = None) -> None:
        self._given.load(progress).check(progress)


def eight_bits(pictures: Tensor) -> np.ndarray:
    """Return pictures (N, C, H, W) in [-1, 1] as uint8, rounded and clipped as they would be saved."""
    return ((pictures.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


@dataclass
class ImitatedDataset(Dataset):
    """A ``given`` dataset with a generator's outputs in the place of its targets. ``check`` looks at what is given, and runs nothing."""

    given: Dataset | None = field(default=None, repr=False)

    def check(self, progress: Progress | None = None) -> None:
        assert self.given is not None
        self.given.check(progress)


@dataclass(frozen=True, eq=False)
class ImitatedSamples:
    """How a split is decoded: what is given, and the outputs, which ``outputs`` returns (the progress is told)."""

    given: Split
    outputs: Callable[[Progress], Pictures]

    def __call__(self, progress: Progress) -> Samples:
        samples = self.given.load(progress)
        targets = self.outputs(progress)
        if isinstance(self.given.input, DomainInput):
            assert samples.domains is not None
            count = len(samples.domains)
            asked = samples.domains[(np.arange(count) + count // 2) % count]
            return replace(samples, inputs=samples.targets, targets=targets, domains=asked)
        return replace(samples, targets=targets)


def imitated(
    given: Dataset, growth: Growth, *, outputs: Callable[[Split, Progress], Pictures], teacher: str, fingerprint: str
) -> ImitatedDataset:
    """Return ``given`` with a generator's outputs as its targets, paired whatever kind it was.

    ``outputs`` gives those of a split of ``given``, uint8, when they are needed; ``teacher`` says in words whose they are.
    """
    # Elsewhere flips are for what is true of them; a flipped input has another output.
    mirrored = given.kind == "inputs"
    train, validation, test = (_split(split, growth, outputs, mirror=mirrored and split.mirror) for split in given.splits)
    height, width = growth.fixed or (growth.scale * given.input_shape[1], growth.scale * given.input_shape[2])
    return ImitatedDataset(
        train,
        validation,
        test,
        input_shape=given.input_shape,
        target_shape=(growth.channels, height, width),
        class_names=given.class_names if given.kind == "paired" else (),
        description=f"{given.description}; targets are the outputs of {teacher}, not the truth",
        fingerprint=fingerprint,
        domain_names=given.domain_names,
        exclusive_domains=given.exclusive_domains,
        ignore_index=given.ignore_index,
        given=given,
    )


def kept(outputs: OutputList, progress: Progress, *, what: str) -> Pictures:
    """Return all outputs, made now and kept in memory."""
    progress.start(what, total=len(outputs))
    made: list[np.ndarray] = []
    for first in range(0, len(outputs), BATCH):
        made += outputs.take(range(first, min(first + BATCH, len(outputs))))
        progress.update(len(made))
    return np.stack(made) if len({picture.shape for picture in made}) == 1 else DecodedList(made)


def outputs_alone(given: Dataset, outputs: Callable[[Split], OutputList], growth: Growth, *, description: str, fingerprint: str) -> Dataset:
    """Return a dataset of a generator's outputs and nothing else, to be packed."""

    def split(one: Split) -> Split:
        return Split(one.name, names=one.names, input=PictureInput(), decode=lambda progress: Samples(targets=outputs(one)), mirror=False)

    train, validation, test = (split(one) for one in given.splits)
    height, width = growth.fixed or (growth.scale * given.input_shape[1], growth.scale * given.input_shape[2])
    shape = (growth.channels, height, width)
    return Dataset(train, validation, test, shape, shape, class_names=(), description=description, fingerprint=fingerprint)


def _split(given: Split, growth: Growth, outputs: Callable[[Split, Progress], Pictures], *, mirror: bool) -> Split:
    kind: InputKind = AskedInput() if isinstance(given.input, DomainInput) else given.input
    crop = None
    if given.crop is not None and growth.fixed is None:
        crop = (given.crop[0] // given.scale * growth.scale, given.crop[1] // given.scale * growth.scale)
    return Split(
        given.name,
        names=given.names,
        input=kind,
        decode=ImitatedSamples(given, lambda progress: outputs(given, progress)),
        scale=growth.scale,
        crop=crop,
        mirror=mirror and not isinstance(kind, NoiseInput),
    )


def _shown(samples: Samples) -> Pictures:
    return samples.targets if samples.given is None else samples.given


def _of_one_size(places: Sequence[int], shape: Callable[[int], tuple[int, ...]]) -> Iterator[list[int]]:
    """Yield consecutive places whose outputs have one shape, at most ``BATCH`` at a time."""
    some: list[int] = []
    for place in places:
        if some and (len(some) == BATCH or shape(place) != shape(some[0])):
            yield some
            some = []
        some.append(place)
    if some:
        yield some
