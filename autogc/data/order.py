"""The order of training samples: a function of the seed and the step alone, whoever asks and however often it was cut off."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from autogc.data.dataset import Batch, Split
from autogc.errors import ConfigError, DataError


def training_batches(split: Split, batch_size: int, seed: int, start_step: int = 0, rank: int = 0, workers: int = 1) -> Iterator[Batch]:
    """Yield, without end, this rank's part of the batches of steps ``start_step``, ``start_step + 1``, ...

    ``batch_size`` counts the whole batch over all ``workers``, each of which takes ``batch_size / workers`` consecutive samples of it.
    Each pass over the split has an order of its own; a batch may reach into the next pass, so no sample is left out. Pictures that are not
    paired with the inputs have an order of their own too. Half of the samples are mirrored where ``split.mirror``, and ``split.crop`` is
    cut
    out at random. Raises ``ConfigError`` when the workers cannot share a batch evenly.
    """
    if batch_size % workers:
        raise ConfigError(f"batch_size {batch_size} cannot be shared evenly by {workers} workers: choose a multiple of {workers}")
    if not len(split):
        raise DataError(f"the {split.name} split has no samples to train on")
    return _batches(split, batch_size, seed, start_step, rank, workers)


def _batches(split: Split, batch_size: int, seed: int, step: int, rank: int, workers: int) -> Iterator[Batch]:
    share = batch_size // workers
    inputs = _Passes(len(split), seed, stream=0)
    targets = inputs if split.paired else _Passes(len(split.load().targets), seed, stream=1)
    while True:
        first = step * batch_size + rank * share
        positions = range(first, first + share)
        places, draws = inputs.at(positions)
        target_places, target_draws = targets.at(positions)
        windows, target_windows = split.windows(places, target_places, at=draws[:, 1:], target_at=target_draws[:, 1:])
        batch = split.batch(places, targets=target_places, windows=windows, target_windows=target_windows)
        if split.mirror:
            batch = batch.flipped(torch.from_numpy(draws[:, 0] < 0.5))
        yield batch
        step += 1


class _Passes:
    """The order of each pass over ``count`` samples, and three numbers in [0, 1) for each sample in it: mirrored, and where it is cut."""

    def __init__(self, count: int, seed: int, *, stream: int) -> None:
        self._count = count
        self._seed = [seed] if stream == 0 else [seed, stream]
        self._made: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def at(self, positions: range) -> tuple[list[int], np.ndarray]:
        """Return the samples at ``positions``, counted over all passes, and their draws (n, 3)."""
        found = [divmod(position, self._count) for position in positions]
        self._made = {number: self._made.get(number) or self._pass(number) for number in {number for number, _ in found}}
        return [int(self._made[number][0][place]) for number, place in found], np.stack([self._made[n][1][:, place] for n, place in found])

    def _pass(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng([*self._seed, number])
        return generator.permutation(self._count), generator.random((3, self._count))
