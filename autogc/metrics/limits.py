"""Limits on scores and costs: by how much a value is beyond one."""

from __future__ import annotations

import math
from collections.abc import Mapping

from autogc.metrics.catalogue import METRICS


def minimizes(objective: str) -> bool:
    """Return whether less of an objective is better: of every cost, and of a score what its metric says."""
    return objective not in METRICS or not METRICS[objective].higher_is_better


def excess(name: str, value: float, limit: float) -> float:
    """Return by how much a score or cost is beyond its limit, as a share of the limit: 0 or below where it is met, NaN where unknown."""
    beyond = value - limit if minimizes(name) else limit - value
    return beyond / (abs(limit) or 1.0)


def largest_miss(values: Mapping[str, float], limits: Mapping[str, float]) -> float:
    """Return the largest miss as a share of its limit; 0 where every limit is met, infinity where a value is not known."""
    shares = [excess(name, values.get(name, math.nan), limit) for name, limit in limits.items()]
    return max((max(share, 0.0) if math.isfinite(share) else math.inf for share in shares), default=0.0)
