"""Precision and recall (Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019).

A set of pictures is taken for the balls around their features that reach to their third nearest neighbour (equations 1 and 2, k = 3).
Precision is the share of generated pictures within the real ones' balls: do they look real? Recall is the share of real pictures within
the generated ones': is everything there? Both are in 0..1. A ball holds its surface, and what rounding can't tell from it.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from autogc.metrics.features import blocks, checked, same_width, squared_distances
from autogc.metrics.metric import Metric, Observation, Setting

NEIGHBOURS = 3


def squared_radii(features: Tensor) -> Tensor:
    """Return the squared distance of each row of (n, D) to its third nearest other row, (n,); needs four rows."""
    features = checked(features, metric="precision and recall", least=NEIGHBOURS + 1)
    found = []
    for part in blocks(len(features)):
        distances, _ = squared_distances(features[part], features)
        distances.diagonal(part.start).fill_(torch.inf)
        found.append(distances.kthvalue(NEIGHBOURS, dim=1).values)
    return torch.cat(found)


def within(points: Tensor, centres: Tensor, radii: Tensor) -> Tensor:
    """Return which points (a, D) lie within the balls around which centres (b, D) of which squared radii (b,): bool (a, b)."""
    distances, rounding = squared_distances(points, centres)
    return distances <= radii + rounding


class Precision(Metric):
    """The share of generated pictures that lie among the real ones."""

    name = "precision"
    title = "Precision"
    meaning = "share of generated images among the real ones (3 nearest neighbours), higher is better; says nothing of what is missing"
    higher_is_better = True
    needs = frozenset({"features", "real_features"})
    least = NEIGHBOURS + 1
    digits = 3

    def observe(self, seen: Observation) -> Tensor:
        """Return which pictures lie within any real one's ball, bool (N,)."""
        assert seen.features is not None
        features, real, radii = _against(self.setting, seen.features, metric=self.name)
        return within(features, real, radii).any(1)

    def score(self, kept: Tensor) -> float:
        return float(kept.double().mean())

    @classmethod
    def protocol(cls, setting: Setting) -> str:
        del setting
        return f"balls to the {NEIGHBOURS} nearest neighbours of each real picture, all pictures"


class Recall(Metric):
    """The share of real pictures that lie among the generated ones."""

    name = "recall"
    title = "Recall"
    meaning = "share of real images among the generated ones (3 nearest neighbours), higher is better; few generated ones can't cover many"
    higher_is_better = True
    needs = frozenset({"features", "real_features"})
    least = NEIGHBOURS + 1
    digits = 3

    def observe(self, seen: Observation) -> Tensor:
        assert seen.features is not None
        return seen.features

    def score(self, kept: Tensor) -> float:
        return float(self._covered(kept).any(1).double().mean())

    def resampled(self, rows: Tensor) -> float:
        """Return the share of real pictures within the balls of a selection, each as large as it is among all generated pictures.

        A picture that was drawn twice is one: its copies would be its own nearest neighbours.
        """
        return float(self._all_covered[:, rows.unique()].any(1).double().mean())

    def _covered(self, kept: Tensor) -> Tensor:
        """Return which real pictures lie within which generated ones' balls, bool (m, n)."""
        features = checked(kept, metric=self.name, least=self.least)
        features, real, _ = _against(self.setting, features, metric=self.name)
        radii = squared_radii(features)
        return torch.cat([within(real[part], features, radii) for part in blocks(len(real))])

    @cached_property
    def _all_covered(self) -> Tensor:
        return self._covered(self.kept)

    @classmethod
    def protocol(cls, setting: Setting) -> str:
        del setting
        return f"balls to the {NEIGHBOURS} nearest neighbours of each generated picture, all pictures"


def _against(setting: Setting, features: Tensor, *, metric: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return the features, the real ones, both around the real ones' mean, where rounding is least, and the real ones' squared radii."""
    assert setting.reference is not None and setting.reference.features is not None
    features = checked(features, metric=metric, least=1)
    real = setting.reference.features
    same_width(features, real, metric=metric)
    centre = setting.reference.once("centre", lambda real: checked(real, metric=metric, least=1).mean(0))
    radii = setting.reference.once("radii", lambda real: squared_radii(real - centre))
    return features - centre, real - centre, radii
