"""Noise without images, for a generator whose own outputs are to be imitated (``task: imitation``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autogc.data.arguments import SMALLEST, Problems
from autogc.data.dataset import Dataset, Split
from autogc.data.inputs import NoiseInput
from autogc.data.registry import DATASETS
from autogc.data.samples import Samples
from autogc.data.splits import SPLITS
from autogc.files import sha256_json
from autogc.progress import Progress, Silent


@DATASETS.register("noise")
def noise(
    *,
    channels: int,
    height: int,
    width: int,
    grey: bool = False,
    train: int = 10_000,
    validation: int = 1_000,
    test: int = 1_000,
    seed: int,
) -> Dataset:
    """Return standard normal noise (``channels``, 1, 1), a function of the seed, for a generator of images of ``height`` x ``width``.

    Nothing says what should become of it: the experiment's task is ``imitation``, and its teacher's outputs are the targets. ``train``,
    ``validation`` and ``test`` are how many there are. ``grey``: the images have one channel, not three.

    Raises ``ConfigError`` for arguments.
    """
    problems = Problems("noise")
    problems.at_least(1, channels=channels, train=train, validation=validation, test=test)
    problems.at_least(SMALLEST, height=height, width=width)
    problems.stop()
    kind = NoiseInput(channels, seed)
    shape = (1 if grey else 3, height, width)
    counts = zip(SPLITS, (train, validation, test), strict=True)
    made = [_split(name, count, kind, shape) for name, count in counts]
    return Dataset(
        train=made[0],
        validation=made[1],
        test=made[2],
        input_shape=(channels, 1, 1),
        target_shape=shape,
        class_names=(),
        description=f"noise alone, {channels} channels, seed {seed}",
        fingerprint=sha256_json({"noise": {"channels": channels, "shape": shape, "counts": [train, validation, test], "seed": seed}}),
        kind="inputs",
    )


def _split(name: str, count: int, kind: NoiseInput, shape: tuple[int, int, int]) -> Split:
    def decode(progress: Progress) -> Samples:
        return Samples(targets=NoiseImages(name, count, kind, shape))

    return Split(name, names=[f"{place:06d}" for place in range(count)], input=kind, decode=decode, mirror=False)


class NoiseImages:
    """The noise itself, repeated to images (a ``PictureList``): what becomes of it is not known yet, and it stands for that."""

    def __init__(self, split: str, count: int, kind: NoiseInput, shape: tuple[int, int, int]) -> None:
        self._split = split
        self._count = count
        self._kind = kind
        self._shape = shape

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> np.ndarray:
        if not 0 <= place < self._count:
            raise IndexError(place)
        drawn = self._kind.make(Samples(targets=self), [place], None, split=self._split).tensor[0, :, 0, 0].numpy()
        return np.resize((drawn * 32 + 127.5).round().clip(0, 255).astype(np.uint8), self._shape)

    def take(self, places: Sequence[int]) -> list[np.ndarray]:
        return [self[place] for place in places]

    def shape(self, place: int) -> tuple[int, ...]:
        del place
        return self._shape

    def sizes(self) -> None:
        return None

    def check(self, progress: Progress | None = None) -> None:
        # It is drawn, and can't be wrong.
        progress = progress or Silent()
        progress.start(f"drawing {self._split} noise", total=self._count)
        progress.update(self._count)
