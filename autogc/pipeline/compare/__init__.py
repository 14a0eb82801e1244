"""``autogc compare``: what the chosen subnet is worth beside what anyone could have trained instead, and how well the search ranked."""

from autogc.pipeline.compare.comparing import PARTS, Asked, compare
from autogc.pipeline.compare.comparison import Comparison, Outcome, Ranked, Ranking
from autogc.pipeline.compare.verdict import verdict

__all__ = ["PARTS", "Asked", "Comparison", "Outcome", "Ranked", "Ranking", "compare", "verdict"]
