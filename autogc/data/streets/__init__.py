"""The embedded dataset: synthetic street scenes, label maps and pictures, drawn by autogc itself. No file is read."""

from __future__ import annotations

from functools import partial

import numpy as np

from autogc.data.dataset import Dataset, Split
from autogc.data.inputs import LabelInput
from autogc.data.registry import DATASETS
from autogc.data.samples import Samples
from autogc.data.streets.canvas import Canvas
from autogc.data.streets.figures import paint_figures
from autogc.data.streets.ground import paint_buildings, paint_ground, paint_sky
from autogc.data.streets.scene import CLASSES, Dice, compose
from autogc.errors import ConfigError
from autogc.files import sha256_json
from autogc.progress import Progress

__all__ = ["CLASSES", "DRAWING", "draw", "streets"]

# Raise this whenever a change makes the same seed draw another sample: scores of other drawings are not comparable.
DRAWING = 1
SPLITS = ("train", "validation", "test")
SMALLEST = 32


def draw(seed: int, split: str, index: int, *, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sample ``index`` of ``split``: the picture (3, H, W) and its labels (H, W), both uint8.

    It depends on these arguments alone, not on what was drawn before, and not on the machine.
    """
    scene = compose(Dice(seed, SPLITS.index(split), index))
    canvas = Canvas(scene, height=height, width=width)
    paint_sky(canvas, scene)
    paint_ground(canvas, scene)
    paint_buildings(canvas, scene)
    paint_figures(canvas, scene)
    return canvas.reduced()


def _draw_all(split: str, samples: int, seed: int, height: int, width: int, progress: Progress) -> Samples:
    targets = np.empty((samples, 3, height, width), np.uint8)
    labels = np.empty((samples, height, width), np.uint8)
    progress.start(f"drawing {split} streets", total=samples)
    for index in range(samples):
        targets[index], labels[index] = draw(seed, split, index, height=height, width=width)
        progress.update(index + 1)
    return Samples(targets=targets, labels=labels)


@DATASETS.register("streets")
def streets(*, height: int = 64, width: int = 64, train: int = 512, validation: int = 128, test: int = 128, seed: int) -> Dataset:
    """Return synthetic street scenes: from the one-hot label map to the picture.

    ``train``, ``validation`` and ``test`` are sample counts. Raises ``ConfigError`` for sizes that nothing can be drawn at.
    """
    counts = dict(zip(SPLITS, (train, validation, test), strict=True))
    problems = [
        f"streets: {name} must be at least {SMALLEST}, got {size}"
        for name, size in (("height", height), ("width", width))
        if size < SMALLEST
    ]
    problems += [f"streets: {name} must be at least 1 sample, got {count}" for name, count in counts.items() if count < 1]
    if problems:
        raise ConfigError(problems)
    splits = {
        name: Split(
            name,
            names=[f"{name}-{index:05d}" for index in range(count)],
            input=LabelInput(len(CLASSES)),
            decode=partial(_draw_all, name, count, seed, height, width),
        )
        for name, count in counts.items()
    }
    return Dataset(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        input_shape=(len(CLASSES), height, width),
        target_shape=(3, height, width),
        class_names=CLASSES,
        description=f"synthetic streets {width}x{height} (drawn by autogc, seed {seed}; not photographs)",
        fingerprint=sha256_json({"streets": DRAWING, "height": height, "width": width, "seed": seed, **counts}),
    )
