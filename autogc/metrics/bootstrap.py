"""How far a score is a matter of which pictures were drawn: bootstrap intervals (Efron, "Bootstrap methods", Annals of Statistics 1979)."""

from __future__ import annotations

import torch

from autogc.metrics.metric import Metric

LEVEL = 0.95


def interval(metric: Metric, *, resamples: int, seed: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval (lower, upper) that a share ``level`` of ``resamples`` scores lies in, around the metric's own score.

    Each is the score of as many pictures, drawn with replacement from the generated ones; the real ones stay. Pictures that were drawn
    twice make some scores (FID above all) worse than those of as many different ones, whatever the generator, so the resampled scores are
    moved to have the metric's own score as their median. The interval says how sure the order of two generators is that were scored on
    samples like these; it says nothing of the bias that few pictures give a score. The same seed draws the same pictures for every metric.
    """
    count = len(metric.kept)
    draws = torch.Generator().manual_seed(seed)
    found = [metric.resampled(torch.randint(count, (count,), generator=draws)) for _ in range(resamples)]
    scores = torch.tensor(found, dtype=torch.float64)
    lower, median, upper = torch.quantile(scores, torch.tensor([(1 - level) / 2, 0.5, (1 + level) / 2], dtype=torch.float64)).tolist()
    value = metric.value()
    return value + lower - median, value + upper - median
