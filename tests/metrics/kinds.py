"""A small dataset of each kind, in memory, drawn from the streets."""

from __future__ import annotations

import numpy as np

from autogc.data import DATASETS, Dataset, Samples, Split
from autogc.data.inputs import DomainInput, InputKind, NoiseInput, PictureInput
from autogc.data.samples import DecodedList

SIZE = 32
COUNTS = {"train": 24, "validation": 10, "test": 6}


def bytes_of(split: str, *, seed: int = 0) -> np.ndarray:
    """Street pictures of a split, uint8 (N, 3, 32, 32)."""
    arguments = {"height": SIZE, "width": SIZE, **COUNTS}
    targets = getattr(DATASETS.build("streets", arguments, seed=seed), split).load().targets
    assert isinstance(targets, np.ndarray)
    return targets


def dataset(kind: str, samples: dict[str, Samples], *, given: InputKind, input_shape: tuple[int, int, int], **facts: object) -> Dataset:
    splits, paired = {}, kind in ("paired", "domains")
    for name, part in samples.items():
        count = len(part.targets if part.inputs is None else part.inputs)
        names = [f"{name}-{index}" for index in range(count)]
        splits[name] = Split(name, names=names, input=given, decode=lambda _, part=part: part, paired=paired)
    channels = samples["train"].targets[0].shape[0]
    return Dataset(
        **splits, kind=kind, input_shape=input_shape, target_shape=(channels, SIZE, SIZE), class_names=(), description="streets, changed",
        fingerprint=kind, **facts,
    )  # type: ignore[arg-type]  # fmt: skip


def unpaired() -> Dataset:
    """Streets as they are and, as the other side, others in negative: 8 inputs of the validation split, 10 targets."""
    samples = {
        name: Samples(inputs=bytes_of(name)[: COUNTS[name] - 2], targets=255 - bytes_of(name, seed=1))
        for name in ("train", "validation", "test")
    }
    data = dataset("unpaired", samples, given=PictureInput(), input_shape=(3, SIZE, SIZE))
    data.validation.references = (data.train, data.validation)
    return data


def noise_to_grey() -> Dataset:
    samples = {name: Samples(targets=bytes_of(name)[:, :1]) for name in COUNTS}
    return dataset("unconditional", samples, given=NoiseInput(channels=4, seed=0), input_shape=(4, 1, 1))


def domains(*, exclusive: bool = True) -> Dataset:
    """Streets that keep one colour each; without ``exclusive`` every third one keeps two."""
    samples = {}
    for name in COUNTS:
        pictures = bytes_of(name).copy()
        belongs = np.eye(3, dtype=np.uint8)[np.arange(len(pictures)) % 3]
        if not exclusive:
            belongs[::3, 1] = 1
        pictures[belongs == 0] //= 8
        samples[name] = Samples(targets=pictures, domains=belongs)
    names = ("red", "green", "blue")
    return dataset("domains", samples, given=DomainInput(), input_shape=(6, SIZE, SIZE), domain_names=names, exclusive_domains=exclusive)


def super_resolution() -> Dataset:
    """Pairs at twice the size, of two different sizes."""
    samples = {}
    for name in COUNTS:
        large = [one[:, : SIZE - 8 * (index % 2)] for index, one in enumerate(bytes_of(name))]
        small = [one.reshape(3, one.shape[1] // 2, 2, SIZE // 2, 2).mean((2, 4)).astype(np.uint8) for one in large]
        samples[name] = Samples(inputs=DecodedList(small), targets=DecodedList(large))
    data = dataset("paired", samples, given=PictureInput(), input_shape=(3, SIZE // 2, SIZE // 2))
    for split in data.splits:
        split.scale = 2
    data.train.crop = (16, 16)
    return data


def grey_labelled() -> Dataset:
    """Streets in colour, to become their green channel, with the labels of their pixels."""
    streets = DATASETS.build("streets", {"height": SIZE, "width": SIZE, **COUNTS}, seed=0)
    samples = {
        split.name: Samples(targets=bytes_of(split.name)[:, 1:2], inputs=bytes_of(split.name), labels=split.load().labels)
        for split in streets.splits
    }
    data = dataset("paired", samples, given=PictureInput(), input_shape=(3, SIZE, SIZE))
    data.class_names = streets.class_names
    return data
