"""LPIPS as a score: the mean over pictures of how different each looks from its own real one (see ``judge_networks/lpips``)."""

from __future__ import annotations

from torch import Tensor

from autogc.metrics.metric import Metric, Observation, Setting


class Lpips(Metric):
    """The mean over pictures of their distance to the real ones, whatever their sizes."""

    name = "lpips"
    title = "LPIPS"
    meaning = "learned perceptual distance to the real pictures, the mean over pictures, lower is better; comparable over one backbone only"
    higher_is_better = False
    needs = frozenset({"pairs", "similarity"})
    digits = 4

    def observe(self, seen: Observation) -> Tensor:
        assert seen.similarity is not None
        return seen.similarity

    def score(self, kept: Tensor) -> float:
        return float(kept.mean())

    @classmethod
    def protocol(cls, setting: Setting) -> str:
        del setting
        return "the mean over pictures"
