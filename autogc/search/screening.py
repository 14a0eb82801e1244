"""Cheap evaluations first: what a candidate must reach on some images to be scored on all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autogc.metrics.limits import minimizes


@dataclass(frozen=True)
class Bar:
    """After ``images`` images, rounded up to whole batches, a candidate goes on that is no worse than each of ``limits`` (by score).

    A score that so few images can't give stops nobody.
    """

    images: int
    limits: Mapping[str, float] = field(default_factory=dict)

    def missed(self, scores: Mapping[str, float]) -> dict[str, float]:
        """Return the limits that ``scores`` do not reach."""
        found = {}
        for name, limit in self.limits.items():
            value = scores.get(name, math.nan)
            if value > limit if minimizes(name) else value < limit:
                found[name] = limit
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the bar as JSON-ready data."""
        return {"images": self.images, "limits": dict(self.limits)}
