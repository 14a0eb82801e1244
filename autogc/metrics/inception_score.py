"""The Inception Score (Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016), by any network that tells classes apart."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from autogc.errors import MetricError
from autogc.metrics.metric import Metric, Observation, Setting


def inception_score(probabilities: Tensor) -> float:
    """Return ``exp(E_x KL(p(y|x) || p(y)))`` of class probabilities (N, K), in 1..K, higher is better. One split of all pictures.

    Raises ``MetricError`` for rows that are no distributions.
    """
    if probabilities.ndim != 2 or not len(probabilities):
        raise MetricError(f"Inception Score: class probabilities must be (pictures, classes), got {tuple(probabilities.shape)}")
    probabilities = probabilities.double()
    totals = probabilities.sum(1)
    if not (torch.isfinite(probabilities).all() and (probabilities >= 0).all() and ((totals - 1).abs() < 1e-3).all()):
        raise MetricError("Inception Score: class probabilities must be positive and add up to 1 for each picture")
    conditional = torch.special.entr(probabilities).sum(1).mean()
    marginal = torch.special.entr(probabilities.mean(0)).sum()
    # The mean divergence is the marginal entropy less the mean conditional one; rounding may leave it a little below zero.
    return math.exp(max(0.0, float(marginal - conditional)))


class InceptionScore(Metric):
    """The score of all pictures together, or the mean over that of random parts."""

    name = "inception_score"
    title = "IS"
    meaning = "Inception Score, higher is better; only comparable with scores of the same classifying network, count of pictures and splits"
    higher_is_better = True
    needs = frozenset({"probabilities"})
    digits = 3
    on_real = True

    @classmethod
    def fewest(cls, setting: Setting) -> int:
        # A split of one picture says nothing: its score is 1 whatever it shows.
        return 2 * setting.inception_score.splits if setting.inception_score.splits > 1 else cls.least

    def observe(self, seen: Observation) -> Tensor:
        assert seen.probabilities is not None
        return seen.probabilities

    def score(self, kept: Tensor) -> float:
        return float(self._split_scores(kept).mean())

    def details(self, kept: Tensor) -> dict[str, float]:
        """Return the standard deviation over the splits."""
        return {"std": float(self._split_scores(kept).std(unbiased=False))} if self.setting.inception_score.splits > 1 else {}

    def _split_scores(self, kept: Tensor) -> Tensor:
        splits = self.setting.inception_score.splits
        if splits > 1:  # Datasets may lie in the order of their classes.
            kept = kept[torch.randperm(len(kept), generator=torch.Generator().manual_seed(self.setting.seed))]
        bounds = [index * len(kept) // splits for index in range(splits + 1)]
        found = [inception_score(kept[start:end]) for start, end in itertools.pairwise(bounds)]
        return torch.tensor(found, dtype=torch.float64)

    @classmethod
    def protocol(cls, setting: Setting) -> str:
        splits = setting.inception_score.splits
        return "one split of all pictures" if splits == 1 else f"the mean over {splits} splits of the pictures, shuffled by the seed"
