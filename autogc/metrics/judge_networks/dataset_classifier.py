"""A compact classifier that autogc trains to tell the domains of a dataset's real pictures; its features serve the Fréchet distance."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from autogc.data import Dataset, training_batches
from autogc.errors import ConfigError
from autogc.metrics.judge_networks.encoder import Encoder
from autogc.metrics.judge_networks.fitting import Schedule, check_positive, fit, trained_here
from autogc.metrics.pixels import coloured
from autogc.metrics.registry import FEATURE_NETWORKS, JudgeNetwork
from autogc.progress import Progress


class DatasetClassifier(JudgeNetwork):
    """An encoder and a linear layer: pictures (N, 3, H, W) in [-1, 1] to a logit for each domain, (N, domains).

    Where a picture is of exactly one domain it gives their probabilities; attributes that go together are told one by one.
    """

    def __init__(self, data: Dataset, *, seed: int, schedule: Schedule, batch_size: int, width: int) -> None:
        super().__init__()
        self.schedule, self.batch_size = schedule, batch_size
        self.classifies = data.exclusive_domains
        domains = ", ".join(data.domain_names[:12]) + (", ..." if len(data.domain_names) > 12 else "")
        self.label = trained_here(f"classifier of {domains}", data, seed=seed, steps=schedule.steps)
        # The initial weights are drawn from the seed, and nobody else's stream is disturbed.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = Encoder(width)
            self.classify = nn.Linear(self.encoder.channels, len(data.domain_names))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.encoder(images))

    def features(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    def features_and_probabilities(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder(images)
        return features, self.classify(features).softmax(1)

    def fit(self, data: Dataset, *, seed: int, device: torch.device, progress: Progress) -> None:
        """Train with cross-entropy, over domains or for each attribute; raises ``DivergenceError`` when the loss is no longer finite."""
        batches = training_batches(data.train, self.batch_size, seed)

        def loss() -> Tensor:
            batch = next(batches).to(device)
            assert batch.domains is not None
            logits = self(coloured(batch.target))
            if self.classifies:
                return functional.cross_entropy(logits, batch.domains.argmax(1))
            return functional.binary_cross_entropy_with_logits(logits, batch.domains)

        fit(self, loss, self.schedule, device=device, progress=progress)


@FEATURE_NETWORKS.register("dataset_classifier")
def dataset_classifier(
    *,
    steps: int = 600,
    batch_size: int = 16,
    width: int = 16,
    learning_rate: float = 1e-2,
    threads: int = 1,
    data: Dataset,
    seed: int,
) -> DatasetClassifier:
    """Return a classifier to be trained on ``data``; raises ``ConfigError`` when the dataset has no domains."""
    if not data.domain_names:
        raise ConfigError(
            "dataset_classifier learns from domains, and this dataset has none: use dataset_rotations, which needs pictures alone, "
            "or another feature network"
        )
    check_positive("dataset_classifier", batch_size=batch_size, width=width, steps=steps, learning_rate=learning_rate, threads=threads)
    schedule = Schedule(steps=steps, learning_rate=learning_rate, threads=threads)
    return DatasetClassifier(data, seed=seed, schedule=schedule, batch_size=batch_size, width=width)
