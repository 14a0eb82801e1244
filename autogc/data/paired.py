"""What every paired dataset is: three splits of (input, target, labels), each held once, as bytes, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autogc.progress import Progress, Silent

# The label of a pixel that has no class, in every dataset, whatever its files say.
IGNORE_INDEX = 255


@dataclass(frozen=True)
class Samples:
    """The decoded samples of a split, all uint8: 0..255 for pictures, class indices for labels.

    ``targets`` is (N, 3, H, W); ``labels`` (N, H, W) or None; ``inputs`` (N, C, H, W), or None where the input is the one-hot label map.
    """

    targets: np.ndarray
    labels: np.ndarray | None = None
    inputs: np.ndarray | None = None

    def __post_init__(self) -> None:
        assert self.labels is not None or self.inputs is not None, "the input is either the labels or pictures"


@dataclass
class Batch:
    """``input`` float32 (N, C, H, W) and ``target`` float32 (N, 3, H, W), both in [-1, 1]; ``labels`` int64 (N, H, W) or None."""

    input: Tensor
    target: Tensor
    labels: Tensor | None
    names: list[str]

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with its tensors on ``device``."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, input=self.input.to(device), target=self.target.to(device), labels=labels)

    def flipped(self, which: Tensor) -> Batch:
        """Return the batch with the samples that the bool tensor ``which`` (N,) marks mirrored left to right."""

        def mirror(values: Tensor) -> Tensor:
            shape = (-1,) + (1,) * (values.ndim - 1)
            return torch.where(which.view(shape), values.flip(-1), values)

        labels = None if self.labels is None else mirror(self.labels)
        return replace(self, input=mirror(self.input), target=mirror(self.target), labels=labels)


class Split:
    """A named part of a dataset. Nothing is decoded before the first use, and everything is decoded once.

    ``decode`` reads all samples; ``channels`` is how many channels a one-hot input has. A channel past the last class, where there is one,
    marks unlabelled pixels. Pickling a split decodes it and leaves ``decode`` behind, so that a worker needs no files.
    """

    def __init__(self, name: str, *, names: Sequence[str], channels: int, decode: Callable[[Progress], Samples]) -> None:
        self.name = name
        self.names = tuple(names)
        self.channels = channels
        # The fingerprint of the dataset that the split is of; the dataset sets it.
        self.dataset = ""
        self._decode: Callable[[Progress], Samples] | None = decode
        self._samples: Samples | None = None

    def __len__(self) -> int:
        return len(self.names)

    def load(self, progress: Progress | None = None) -> Samples:
        """Return the decoded samples; raises ``DataError`` for a file that cannot be used."""
        if self._samples is None:
            assert self._decode is not None
            self._samples = self._decode(progress or Silent())
            assert len(self._samples.targets) == len(self.names)
        return self._samples

    def batch(self, indices: Tensor | slice | Sequence[int] | None = None) -> Batch:
        """Return the samples at ``indices`` (all of them when None), as float tensors that share no memory with the split."""
        samples = self.load()
        if indices is None:
            indices = slice(None)
        elif not isinstance(indices, slice):
            indices = torch.as_tensor(indices, dtype=torch.int64)
        chosen = indices if isinstance(indices, slice) else indices.numpy()
        target = _signed(samples.targets[chosen])
        labels = None
        if samples.labels is not None:
            labels = torch.from_numpy(samples.labels[chosen].astype(np.int64))
        if samples.inputs is not None:
            inputs = _signed(samples.inputs[chosen])
        else:
            assert labels is not None
            inputs = one_hot(labels, self.channels)
        names = list(self.names[chosen]) if isinstance(chosen, slice) else [self.names[index] for index in chosen]
        return Batch(input=inputs, target=target, labels=labels, names=names)

    def batches(self, batch_size: int, *, limit: int | None = None) -> Iterator[Batch]:
        """Yield the first ``limit`` samples (all when None) in order; the last batch may be smaller."""
        end = len(self) if limit is None else min(limit, len(self))
        for start in range(0, end, batch_size):
            yield self.batch(slice(start, min(start + batch_size, end)))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_samples": self.load(), "_decode": None}


@dataclass
class PairedData:
    """A paired dataset: the search scores on ``validation``, reports are on ``test``.

    ``class_names`` is empty where there are no labels; ``fingerprint`` is a SHA-256 over everything that determines the samples.
    """

    train: Split
    validation: Split
    test: Split
    input_channels: int
    height: int
    width: int
    class_names: tuple[str, ...]
    description: str
    fingerprint: str
    target_channels: int = 3
    ignore_index: int = IGNORE_INDEX

    def __post_init__(self) -> None:
        for split in self.splits:
            split.dataset = self.fingerprint

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        return (self.train, self.validation, self.test)

    def check(self, progress: Progress | None = None) -> None:
        """Decode every sample of every split, so that whatever is wrong with one is said now (``DataError``)."""
        for split in self.splits:
            split.load(progress)


def one_hot(labels: Tensor, channels: int) -> Tensor:
    """Return labels (N, H, W) as float32 (N, channels, H, W), 1 in the label's channel and -1 elsewhere.

    The last channel takes the pixels whose label is ``IGNORE_INDEX``, where no class has that channel.
    """
    place = torch.where(labels == IGNORE_INDEX, channels - 1, labels)
    return (place[:, None] == torch.arange(channels)[None, :, None, None]).float().mul_(2).sub_(1)


def _signed(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32)).div_(127.5).sub_(1)
