"""Sets of features, compared pair by pair: checked, and in blocks that fit into memory however many pictures there are."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from autogc.errors import MetricError

# Rows of the first set in one block: with 50,000 in the second, a block of float64 takes 200 MB.
ROWS = 512
# Squared distances are differences of numbers that are rounded: a point this near to a sphere, relative to those, lies on it.
ROUNDING = 1e-12


def checked(features: Tensor, *, metric: str, least: int) -> Tensor:
    """Return features (n, D) as float64; raises ``MetricError`` for fewer than ``least`` and for values that are not finite."""
    features = torch.as_tensor(features).detach().to("cpu", torch.float64)
    if features.ndim != 2 or len(features) < least:
        raise MetricError(f"{metric} needs features (pictures, features) of at least {least} pictures, got {tuple(features.shape)}")
    if not torch.isfinite(features).all():
        raise MetricError(f"{metric}: features hold NaN or infinity")
    return features


def same_width(features: Tensor, reference: Tensor, *, metric: str) -> None:
    """Raise ``MetricError`` for features of two networks."""
    if features.shape[1] != reference.shape[1]:
        raise MetricError(f"{metric}: {features.shape[1]} features against {reference.shape[1]} in the reference")


def blocks(count: int) -> Iterator[slice]:
    """Yield slices that together are ``count`` rows."""
    for start in range(0, count, ROWS):
        yield slice(start, min(start + ROWS, count))


def squared_distances(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the squared Euclidean distances (a, b) of rows (a, D) and (b, D), and how far rounding may have moved each."""
    squares = first.square().sum(1)[:, None] + second.square().sum(1)[None]
    found = torch.addmm(squares, first, second.T, alpha=-2)
    return found.clamp_(min=0), squares * (ROUNDING * first.shape[1] ** 0.5)
