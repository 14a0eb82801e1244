"""A compact segmenter that autogc trains on a dataset's own real pictures; its bottleneck features serve the Fréchet distance."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from autogc.data import Dataset, training_batches
from autogc.errors import ConfigError
from autogc.metrics.judge_networks.fitting import Block, Layer, Schedule, check_positive, fit, trained_here
from autogc.metrics.judge_networks.upsampling import classes_at
from autogc.metrics.pixels import coloured
from autogc.metrics.registry import FEATURE_NETWORKS, SEGMENTERS, JudgeNetwork
from autogc.progress import Progress


class DatasetSegmenter(JudgeNetwork):
    """An encoder and decoder over pixels folded two by two: ``(N, 3, H, W)`` in [-1, 1] to logits ``(N, classes, H, W)``.

    The levels have ``width``, ``2 width`` and ``3 width`` channels at a half, a quarter and an eighth of the size. ``features`` is the mean
    over the picture of the two deeper levels, (N, 5 width).
    """

    def __init__(self, data: Dataset, *, seed: int, schedule: Schedule, batch_size: int, width: int) -> None:
        super().__init__()
        classes = len(data.class_names)
        self.schedule, self.batch_size = schedule, batch_size
        self.label = trained_here("segmenter", data, seed=seed, steps=schedule.steps)
        # The initial weights are drawn from the seed, and nobody else's stream is disturbed.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.level2 = nn.Sequential(Layer(12, width), Layer(width, width))
            self.level4 = nn.Sequential(Layer(width, 2 * width, stride=2), Block(2 * width))
            self.level8 = nn.Sequential(Layer(2 * width, 3 * width, stride=2), Block(3 * width), Block(3 * width))
            self.join4 = nn.Sequential(Layer(5 * width, 2 * width, kernel=1), Layer(2 * width, 2 * width))
            self.join2 = nn.Sequential(Layer(3 * width, width, kernel=1), Layer(width, width))
            self.classify = nn.Conv2d(width + 12, 4 * classes, 1)
        self.eval()

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        height, width = images.shape[-2:]
        padded = functional.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate")
        folded = functional.pixel_unshuffle(padded, 2)
        half = self.level2(folded)
        quarter = self.level4(half)
        return folded, half, quarter, self.level8(quarter)

    def forward(self, images: Tensor) -> Tensor:
        folded, half, quarter, eighth = self._encode(images)
        joined = self.join4(torch.cat([quarter, _doubled(eighth)], 1))
        joined = self.join2(torch.cat([half, _doubled(joined)], 1))
        logits = functional.pixel_shuffle(self.classify(torch.cat([joined, folded], 1)), 2)
        return logits[..., : images.shape[-2], : images.shape[-1]]

    def features(self, images: Tensor) -> Tensor:
        _, _, quarter, eighth = self._encode(images)
        return torch.cat([quarter.mean((2, 3)), eighth.mean((2, 3))], 1)

    def segment(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        return classes_at(self(images), size)

    def fit(self, data: Dataset, *, seed: int, device: torch.device, progress: Progress) -> None:
        """Train with cross-entropy over labelled pixels; raises ``DivergenceError`` when the loss stops being finite."""
        batches = training_batches(data.train, self.batch_size, seed)

        def loss() -> Tensor:
            batch = next(batches).to(device)
            assert batch.labels is not None
            # Rows of logits instead of maps: the loss over maps has no reproducible form on a GPU.
            logits = self(coloured(batch.target)).permute(0, 2, 3, 1).flatten(0, 2)
            return functional.cross_entropy(logits, batch.labels.flatten(), ignore_index=data.ignore_index)

        fit(self, loss, self.schedule, device=device, progress=progress)


@FEATURE_NETWORKS.register("dataset_segmenter")
@SEGMENTERS.register("dataset_segmenter")
def dataset_segmenter(
    *,
    steps: int = 600,
    batch_size: int = 8,
    width: int = 16,
    learning_rate: float = 2e-2,
    threads: int = 1,
    data: Dataset,
    seed: int,
) -> DatasetSegmenter:
    """Return a segmenter to be trained on ``data``; raises ``ConfigError`` when the dataset has no labels.

    Sums in a convolution depend on how many ``threads`` share it, so on a CPU the weights are a function of that too, and it is not taken
    from the machine.
    """
    if not data.class_names:
        raise ConfigError(
            "dataset_segmenter learns from labels, and this dataset has none: "
            "use paired_folders with input_kind: labels, or another feature network"
        )
    check_positive("dataset_segmenter", batch_size=batch_size, width=width, steps=steps, learning_rate=learning_rate, threads=threads)
    schedule = Schedule(steps=steps, learning_rate=learning_rate, threads=threads)
    return DatasetSegmenter(data, seed=seed, schedule=schedule, batch_size=batch_size, width=width)


def _doubled(x: Tensor) -> Tensor:
    """Return ``x`` (N, C, H, W) twice as large, each value repeated: unlike interpolation, reproducible in its gradient everywhere."""
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)
