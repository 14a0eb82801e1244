"""The Inception Score (Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016), by any network that tells classes apart."""

from __future__ import annotations

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
    """The score of all pictures together."""

    name = "inception_score"
    title = "IS"
    meaning = "Inception Score, higher is better; only comparable with scores of the same classifying network and count of pictures"
    higher_is_better = True
    needs = frozenset({"probabilities"})
    digits = 3
    on_real = True

    def observe(self, seen: Observation) -> Tensor:
        assert seen.probabilities is not None
        return seen.probabilities

    def score(self, kept: Tensor) -> float:
        return inception_score(kept)

    @classmethod
    def protocol(cls, setting: Setting) -> str:
        del setting
        return "one split of all pictures"
