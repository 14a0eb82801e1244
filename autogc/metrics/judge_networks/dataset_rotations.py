"""A feature network for datasets without labels, which autogc trains to tell how real pictures were turned, and which side they are of.

Gidaris et al., "Unsupervised Representation Learning by Predicting Image Rotations" (ICLR 2018). Telling which way is up needs what the
pictures show; telling the side (A from B, a low resolution from a high one) needs how they look, which is what generators of such datasets
are to get right.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from autogc.data import Dataset, training_batches
from autogc.data.inputs import PictureInput
from autogc.errors import ConfigError
from autogc.metrics.judge_networks.encoder import Encoder
from autogc.metrics.judge_networks.fitting import Schedule, check_positive, fit, trained_here
from autogc.metrics.pixels import bicubic, coloured
from autogc.metrics.registry import FEATURE_NETWORKS, JudgeNetwork
from autogc.progress import Progress

TURNS = 4
LEAST_PATCH = 16


class DatasetRotations(JudgeNetwork):
    """An encoder with a linear layer for the quarter turns, and one for the side where inputs are pictures too: (N, 3, H, W) to both.

    Side 0 is an input, side 1 a target.

    It learns from patches, so that it takes pictures of any size. Its limits: it knows this dataset alone; nobody labelled anything, so its
    features separate pictures by the clues that suffice for turns and sides; and where pictures look the same however they are turned,
    it learns little more than their sides.
    """

    def __init__(self, data: Dataset, *, seed: int, schedule: Schedule, batch_size: int, width: int, patch: int) -> None:
        super().__init__()
        self.schedule, self.batch_size, self.patch = schedule, batch_size, patch
        self.sided = isinstance(data.train.input, PictureInput)
        what = "network that tells quarter turns" + (" and inputs from targets," if self.sided else ",") + f" on patches of {patch} pixels,"
        self.label = trained_here(what, data, seed=seed, steps=schedule.steps)
        # The initial weights are drawn from the seed, and nobody else's stream is disturbed.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = Encoder(width)
            self.turn = nn.Linear(self.encoder.channels, TURNS)
            self.side = nn.Linear(self.encoder.channels, 2) if self.sided else None
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        features = self.encoder(images)
        return self.turn(features), None if self.side is None else self.side(features)

    def features(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    def fit(self, data: Dataset, *, seed: int, device: torch.device, progress: Progress) -> None:
        """Train with cross-entropy over turns and sides; each patch is seen at all four turns.

        Raises ``DivergenceError`` when the loss stops being finite.
        """
        batches = training_batches(data.train, self.batch_size, seed)
        draws = torch.Generator().manual_seed(seed)

        def loss() -> Tensor:
            batch = next(batches)
            target, size = coloured(batch.target), (batch.target.shape[-2], batch.target.shape[-1])
            # A low resolution is enlarged first, so that sharpness tells the sides apart.
            sides = [bicubic(coloured(batch.input), size), target] if self.sided else [target]
            patches = torch.cat([_patches(pictures, self.patch, draws) for pictures in sides]).to(device)
            seen = torch.cat([patches.rot90(turn, (2, 3)) for turn in range(TURNS)])
            turns, which = self(seen)
            total = functional.cross_entropy(turns, torch.arange(TURNS, device=device).repeat_interleave(len(patches)))
            if which is not None:
                side = torch.arange(2, device=device).repeat_interleave(len(batch.target)).repeat(TURNS)
                total = total + functional.cross_entropy(which, side)
            return total

        fit(self, loss, self.schedule, device=device, progress=progress)


def _patches(pictures: Tensor, size: int, draws: torch.Generator) -> Tensor:
    """Cut a square of ``size`` pixels, or as large as fits, out of each picture (N, 3, H, W) at a random place."""
    height, width = pictures.shape[-2:]
    size = min(size, height, width)
    tops = torch.randint(height - size + 1, (len(pictures),), generator=draws).tolist()
    lefts = torch.randint(width - size + 1, (len(pictures),), generator=draws).tolist()
    found = [one[:, top : top + size, left : left + size] for one, top, left in zip(pictures, tops, lefts, strict=True)]
    return torch.stack(found)


@FEATURE_NETWORKS.register("dataset_rotations")
def dataset_rotations(
    *,
    steps: int = 600,
    batch_size: int = 8,
    width: int = 16,
    patch: int = 64,
    learning_rate: float = 1e-2,
    threads: int = 1,
    data: Dataset,
    seed: int,
) -> DatasetRotations:
    """Return a network to be trained on ``data``, which needs nothing but pictures.

    Raises ``ConfigError`` for a patch that is too small to learn of.
    """
    given = {"batch_size": batch_size, "width": width, "steps": steps, "learning_rate": learning_rate, "threads": threads}
    check_positive("dataset_rotations", **given)
    if patch < LEAST_PATCH:
        raise ConfigError(f"dataset_rotations: patch must be at least {LEAST_PATCH} pixels, got {patch}")
    schedule = Schedule(steps=steps, learning_rate=learning_rate, threads=threads)
    return DatasetRotations(data, seed=seed, schedule=schedule, batch_size=batch_size, width=width, patch=patch)
