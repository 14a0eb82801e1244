"""A compact segmenter that autogc trains on a dataset's own real pictures; its bottleneck features serve the Fréchet distance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from autogc.data import Dataset, training_batches
from autogc.errors import ConfigError, DivergenceError
from autogc.metrics.registry import FEATURE_NETWORKS, SEGMENTERS, JudgeNetwork
from autogc.progress import Progress


class _Layer(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class _Block(nn.Module):
    """Two layers with a skip connection: ``(N, C, H, W) -> (N, C, H, W)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_Layer(channels, channels), _Layer(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class DatasetSegmenter(JudgeNetwork):
    """An encoder and decoder over pixels folded two by two: ``(N, 3, H, W)`` in [-1, 1] to logits ``(N, classes, H, W)``.

    The levels have ``width``, ``2 width`` and ``3 width`` channels at a half, a quarter and an eighth of the size. ``features`` is the mean
    over the picture of the two deeper levels, (N, 5 width).
    """

    def __init__(self, data: Dataset, *, seed: int, steps: int, batch_size: int, width: int, learning_rate: float, threads: int) -> None:
        super().__init__()
        classes = len(data.class_names)
        self.steps, self.batch_size, self.learning_rate, self.threads = steps, batch_size, learning_rate, threads
        self.label = (
            f"segmenter trained by autogc on this dataset ({data.description}), seed {seed}, {steps} steps; "
            "not Inception: comparable only within this experiment"
        )
        # The initial weights are drawn from the seed, and nobody else's stream is disturbed.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.level2 = nn.Sequential(_Layer(12, width), _Layer(width, width))
            self.level4 = nn.Sequential(_Layer(width, 2 * width, stride=2), _Block(2 * width))
            self.level8 = nn.Sequential(_Layer(2 * width, 3 * width, stride=2), _Block(3 * width), _Block(3 * width))
            self.join4 = nn.Sequential(_Layer(5 * width, 2 * width, kernel=1), _Layer(2 * width, 2 * width))
            self.join2 = nn.Sequential(_Layer(3 * width, width, kernel=1), _Layer(width, width))
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

    def segment(self, images: Tensor) -> Tensor:
        return self(images).argmax(1)

    def fit(self, data: Dataset, *, seed: int, device: torch.device, progress: Progress) -> None:
        """Train with cross-entropy and Adam, the rate rising over the first twentieth of the steps and falling linearly to zero.

        Raises ``DivergenceError`` when the loss stops being finite.
        """
        self.to(device).requires_grad_(True).train()
        optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate)
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(20 * (step + 1) / self.steps, 1.0) * (1 - step / self.steps))
        batches = training_batches(data.train, self.batch_size, seed)
        progress.start("training the judge on real pictures", total=self.steps)
        with _reproducible(self.threads):
            for step in range(self.steps):
                batch = next(batches).to(device)
                assert batch.labels is not None
                # Rows of logits instead of maps: the loss over maps has no reproducible form on a GPU.
                logits = self(batch.target).permute(0, 2, 3, 1).flatten(0, 2)
                loss = functional.cross_entropy(logits, batch.labels.flatten(), ignore_index=data.ignore_index)
                if not torch.isfinite(loss):
                    raise DivergenceError(f"the dataset segmenter diverged at step {step}: lower its learning_rate ({self.learning_rate})")
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                rate.step()
                progress.update(step + 1, loss=float(loss.detach()))
        self.eval().requires_grad_(False)


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
    given = {"steps": steps, "batch_size": batch_size, "width": width, "learning_rate": learning_rate, "threads": threads}
    problems = [f"dataset_segmenter: {name} must be positive, got {value}" for name, value in given.items() if not value > 0]
    if problems:
        raise ConfigError(problems)
    return DatasetSegmenter(data, seed=seed, steps=steps, batch_size=batch_size, width=width, learning_rate=learning_rate, threads=threads)


def _doubled(x: Tensor) -> Tensor:
    """Return ``x`` (N, C, H, W) twice as large, each value repeated: unlike interpolation, reproducible in its gradient everywhere."""
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


@contextmanager
def _reproducible(wanted: int) -> Iterator[None]:
    threads, cudnn = torch.get_num_threads(), torch.backends.cudnn
    previous = (cudnn.deterministic, cudnn.benchmark)
    torch.set_num_threads(wanted)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        cudnn.deterministic, cudnn.benchmark = previous
