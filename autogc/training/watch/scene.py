"""What is looked at again and again: a few validation inputs, what is made of them by the teacher, in truth, and by who learned nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from autogc.data import Batch, Dataset, Split, training_batches
from autogc.data.inputs import NoiseInput
from autogc.data.samples import Window
from autogc.data.shown import shown_input, shows_classes
from autogc.image_grid import Column, GridRow, image_grid
from autogc.training.watch.trivial import image_given, likeness, mean_image, trivial_answers

Generate = Callable[[Tensor], Tensor]
# Training inputs whose answers make the mean image.
AVERAGED = 16
# Rows of a drawing.
DRAWN = 4


@dataclass(frozen=True)
class Example:
    """One input, (1, Cin, h, w), and images (1, C, H, W) in [-1, 1] on the CPU: what is the right ``answer``, the ``truth`` where the data
    is paired, and the ``trivial`` answers by name. ``shown`` (C, h, w) is what of the input can be looked at, ``caption`` what it asks for.
    """

    name: str
    input: Tensor
    answer: Tensor
    truth: Tensor | None
    trivial: dict[str, Tensor]
    shown: Tensor | None
    caption: str


@dataclass(frozen=True)
class Scene:
    """Some ``examples``; ``class_names`` explains inputs that are label maps, where they are to be drawn as such."""

    examples: tuple[Example, ...]
    class_names: tuple[str, ...] = ()

    @classmethod
    def of_teacher(cls, data: Dataset, teacher: Generate, *, images: int, seed: int) -> Scene:
        """Return a scene in which the teacher's images are the right answers."""
        averaged = _training_batch(data, seed)
        return cls._of(data, images, mean_image(_one_by_one(teacher, averaged.input)), lambda batch: made_by(teacher, batch.input))

    @classmethod
    def of_truth(cls, data: Dataset, *, images: int, seed: int) -> Scene:
        """Return a scene of a paired dataset in which the real images are the right answers."""
        assert data.kind == "paired"
        averaged = _training_batch(data, seed)
        return cls._of(data, images, mean_image(averaged.target.split(1)), lambda batch: batch.target)

    @classmethod
    def _of(cls, data: Dataset, images: int, mean: Tensor, answer: Callable[[Batch], Tensor]) -> Scene:
        split, examples = data.validation, []
        for place in spread_places(len(split), images):
            batch = _in_the_middle(data, split, place)
            right = answer(batch)
            given = image_given(split, batch, right.shape[1])
            shown, caption = shown_input(data, split, batch)
            examples.append(
                Example(
                    name=batch.names[0],
                    input=batch.input,
                    answer=right,
                    truth=batch.target if data.kind == "paired" and batch.target.shape == right.shape else None,
                    trivial=trivial_answers(given, right.shape, mean),
                    shown=shown,
                    caption=caption,
                )
            )
        return cls(tuple(examples), data.class_names if shows_classes(data, split) else ())

    def make(self, generate: Generate) -> list[Tensor]:
        """Return what a generator makes of each example's input, on the CPU."""
        return [made_by(generate, example.input) for example in self.examples]

    def to_answer(self, images: Sequence[Tensor]) -> float:
        """Return the PSNR in dB of one image an example to the right answers, the mean over examples."""
        return _mean([likeness(image, one.answer) for image, one in zip(images, self.examples, strict=True)])

    def to_truth(self, images: Sequence[Tensor]) -> float | None:
        """The same to the real images; None where the data is not paired."""
        pairs = [(image, one.truth) for image, one in zip(images, self.examples, strict=True) if one.truth is not None]
        return _mean([likeness(image, truth) for image, truth in pairs]) if len(pairs) == len(self.examples) else None

    def variation(self, images: Sequence[Tensor]) -> float:
        """Return how much images differ from input to input, beside how much the right answers do: 0 is one image for every input.

        The root of the mean squared difference of each pixel from its mean over examples (of the mean colours, where sizes differ).
        """
        return _deviation(images) / max(_deviation([one.answer for one in self.examples]), 1e-6)

    def trivial(self) -> dict[str, list[Tensor]]:
        """Return each trivial answer that all examples have, an image an example."""
        first, *others = self.examples
        return {name: [one.trivial[name] for one in self.examples] for name in first.trivial if all(name in one.trivial for one in others)}

    def draw(self, path: Path, columns: Sequence[tuple[Column, Sequence[Tensor]]]) -> None:
        """Write a PNG: a row for each of the first examples; the input, then ``columns``, an image an example each."""
        rows = [
            GridRow(name=one.name, input=one.shown, images=tuple(images[number][0] for _, images in columns), caption=one.caption)
            for number, one in enumerate(self.examples[:DRAWN])
        ]
        image_grid(rows, path, columns=[column for column, _ in columns], class_names=self.class_names)


@torch.no_grad()
def made_by(generate: Generate, inputs: Tensor) -> Tensor:
    """Return what a generator makes of inputs, float32 in [-1, 1], on the CPU; what is not finite is left so."""
    return generate(inputs).float().cpu().clamp(-1, 1)


def spread_places(count: int, wanted: int) -> list[int]:
    """Return at most ``wanted`` places out of ``count``, evenly spaced: neighbours in a folder are often frames of one scene."""
    wanted = min(count, wanted)
    return [(2 * index + 1) * count // (2 * wanted) for index in range(wanted)]


def _training_batch(data: Dataset, seed: int) -> Batch:
    return next(training_batches(data.train, min(AVERAGED, len(data.train)), seed))


def _one_by_one(generate: Generate, inputs: Tensor) -> list[Tensor]:
    return [made_by(generate, one) for one in inputs.split(1)]


def _in_the_middle(data: Dataset, split: Split, place: int) -> Batch:
    """Return one sample; its middle alone where training sees no more at a time: a whole one could cost as much as hundreds of crops."""
    batch = split.batch([place])
    whole = batch.input.shape[-2:]
    if data.train.crop is None or isinstance(split.input, NoiseInput):
        return batch
    height, width = (min(side, crop // split.scale) for side, crop in zip(whole, data.train.crop, strict=True))
    if (height, width) == tuple(whole):
        return batch
    return split.batch([place], windows=[Window((whole[0] - height) // 2, (whole[1] - width) // 2, height, width)])


def _deviation(images: Sequence[Tensor]) -> float:
    same = len({image.shape for image in images}) == 1
    kept = torch.cat([(image if same else image.mean((2, 3), keepdim=True)).double() for image in images])
    return float((kept - kept.mean(0)).square().mean().sqrt())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
