"""FID: the Fréchet distance of generated pictures' features to the real ones' (see ``frechet``)."""

from __future__ import annotations

from torch import Tensor

from autogc.metrics.metric import Metric, Observation


class Fid(Metric):
    """The distance of all generated pictures' features to the real ones'."""

    name = "fid"
    title = "FID"
    meaning = "Fréchet distance between generated and real images, lower is better; only comparable with scores of the same feature network"
    higher_is_better = False
    needs = frozenset({"features"})
    least = 2

    def observe(self, seen: Observation) -> Tensor:
        assert seen.features is not None
        return seen.features

    def score(self, kept: Tensor) -> float:
        assert self.setting.reference is not None
        return self.setting.reference.distance(kept)
