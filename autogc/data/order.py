"""The order of training samples: a function of the seed and the step alone, whoever asks and however often it was cut off."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from autogc.data.paired import Batch, Split
from autogc.errors import ConfigError, DataError


def training_batches(
    split: Split, batch_size: int, seed: int, start_step: int = 0, rank: int = 0, workers: int = 1, augment_flip: bool = True
) -> Iterator[Batch]:
    """Yield, without end, this rank's part of the batches of steps ``start_step``, ``start_step + 1``, ...

    ``batch_size`` counts the whole batch over all ``workers``, each of which takes ``batch_size / workers`` consecutive samples of it.
    Each pass over the split has an order of its own; a batch may reach into the next pass, so no sample is left out. With ``augment_flip``
    half of the samples are mirrored. Raises ``ConfigError`` when the workers cannot share a batch evenly.
    """
    if batch_size % workers:
        raise ConfigError(f"batch_size {batch_size} cannot be shared evenly by {workers} workers: choose a multiple of {workers}")
    if not len(split):
        raise DataError(f"the {split.name} split has no samples to train on")
    return _batches(split, batch_size, seed, start_step, rank, workers, augment_flip)


def _batches(split: Split, batch_size: int, seed: int, step: int, rank: int, workers: int, augment_flip: bool) -> Iterator[Batch]:
    share = batch_size // workers
    orders: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    while True:
        first = step * batch_size + rank * share
        places = [divmod(position, len(split)) for position in range(first, first + share)]
        epochs = {epoch for epoch, _ in places}
        orders = {epoch: orders.get(epoch) or _order(len(split), seed, epoch) for epoch in epochs}
        batch = split.batch([int(orders[epoch][0][place]) for epoch, place in places])
        if augment_flip:
            batch = batch.flipped(torch.tensor([bool(orders[epoch][1][place]) for epoch, place in places]))
        yield batch
        step += 1


def _order(samples: int, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of one pass and which of its samples are mirrored."""
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(samples)
    return order, generator.random(samples) < 0.5
