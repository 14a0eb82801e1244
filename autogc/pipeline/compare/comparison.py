"""What ``autogc compare`` found, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scipy.stats import kendalltau

from autogc.files import read_json
from autogc.tracking.table import SubnetRow

COMPARISON = "comparison.json"
FORMAT = 1
# How the others of the table are called in sentences; the order is that of the table.
OTHERS = {
    "uniform": "the uniformly narrower generator",
    "scratch": "the same architecture from scratch",
    "alone": "the same architecture distilled alone",
}
QUARTER, TENTH = 0.25, 0.1


def tau(before: Sequence[float], after: Sequence[float]) -> float | None:
    """Return Kendall's tau-b in [-1, 1] of two orders of the same things; None for fewer than two, or where either has no order.

    1 where every pair is in the same order, -1 where every pair is in the opposite one (Kendall, "A new measure of rank correlation",
    Biometrika 1938; ties as in tau-b).

    >>> tau([1, 2, 3], [10, 30, 20])  # two pairs of three agree
    0.3333333333333333
    """
    if len(before) < 2:
        return None
    found = float(kendalltau(before, after).statistic)
    return found if math.isfinite(found) else None


@dataclass(frozen=True)
class Ranked:
    """One candidate of the ranking: its ``macs``, its scores in the ``supernet`` and once ``trained``, both on the validation split.

    ``quarter`` and ``tenth`` say whether it is among so much of the search's evaluations, counted from the cheapest.
    """

    candidate: str
    macs: float
    supernet: Mapping[str, float]
    trained: Mapping[str, float]
    quarter: bool
    tenth: bool


@dataclass(frozen=True)
class Ranking:
    """How the supernet's scores order candidates, and how their own training does. ``way``: ``alone`` or ``finetuned``, for ``steps``."""

    way: str
    steps: int
    images: int | None
    members: tuple[Ranked, ...]

    @property
    def scores(self) -> list[str]:
        """The scores that both have."""
        if not self.members:
            return []
        return [score for score in self.members[0].supernet if all(score in one.supernet and score in one.trained for one in self.members)]

    def tau(self, score: str, *, cheapest_quarter: bool = False) -> float | None:
        """Return Kendall's tau of a score over all candidates, or over those of the cheapest quarter."""
        among = [one for one in self.members if one.quarter or not cheapest_quarter]
        return tau([one.supernet[score] for one in among], [one.trained[score] for one in among])

    def behind(self, score: str, *, higher_is_better: bool) -> list[float]:
        """Return by how much each subnet of the cheapest tenth is worse in the supernet than once trained; negative where it is better."""
        sign = 1.0 if higher_is_better else -1.0
        return [sign * (one.trained[score] - one.supernet[score]) for one in self.members if one.tenth]

    def to_json(self) -> dict[str, Any]:
        """Return the ranking as JSON-ready data, with what it comes to."""
        taus = {score: {"overall": self.tau(score), "cheapest_quarter": self.tau(score, cheapest_quarter=True)} for score in self.scores}
        return {**asdict(self), "tau": taus}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Ranking:
        """Read what ``to_json`` gave."""
        members = tuple(Ranked(**one) for one in data["members"])
        return cls(way=data["way"], steps=data["steps"], images=data["images"], members=members)


@dataclass(frozen=True)
class Outcome:
    """What one run came to, on the test split: the teacher, the chosen subnet ``before`` and ``after`` fine-tuning, and what it is compared
    with, a row for each seed of each of ``OTHERS`` that was trained.

    ``steps`` are those of each of the others: ``supernet_steps`` + ``finetune_steps``. ``objectives`` are the scores that the search was
    for.
    """

    run: str
    seed: int
    chosen: str
    objectives: tuple[str, ...]
    supernet_steps: int
    finetune_steps: int
    teacher: SubnetRow
    before: SubnetRow
    after: SubnetRow
    others: Mapping[str, Mapping[int, SubnetRow]] = field(default_factory=dict)
    uniform: Mapping[str, Any] | None = None
    ranking: Ranking | None = None
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """The optimizer steps of each of the others."""
        return self.supernet_steps + self.finetune_steps

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        rows = {name: getattr(self, name).to_json() for name in ("teacher", "before", "after")}
        others = {kind: {str(seed): row.to_json() for seed, row in rows.items()} for kind, rows in self.others.items()}
        ranking = None if self.ranking is None else self.ranking.to_json()
        return {
            "run": self.run,
            "seed": self.seed,
            "chosen": self.chosen,
            "objectives": list(self.objectives),
            "supernet_steps": self.supernet_steps,
            "finetune_steps": self.finetune_steps,
            "steps": self.steps,
            **rows,
            "others": others,
            "uniform": None if self.uniform is None else dict(self.uniform),
            "ranking": ranking,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Outcome:
        """Read what ``to_json`` gave."""
        others = {
            kind: {int(seed): SubnetRow.from_json(row) for seed, row in sorted(rows.items(), key=lambda one: int(one[0]))}
            for kind, rows in data["others"].items()
        }
        names = ("run", "seed", "chosen", "supernet_steps", "finetune_steps", "uniform")
        return cls(
            **{name: data[name] for name in names},
            teacher=SubnetRow.from_json(data["teacher"]),
            before=SubnetRow.from_json(data["before"]),
            after=SubnetRow.from_json(data["after"]),
            objectives=tuple(data["objectives"]),
            others=others,
            ranking=None if data["ranking"] is None else Ranking.from_json(data["ranking"]),
            notes=tuple(data["notes"]),
        )


@dataclass(frozen=True)
class Comparison:
    """The outcome of one run, or of several of the same experiment with other seeds, and where it is written."""

    directory: Path
    outcomes: tuple[Outcome, ...]

    def to_json(self, sentences: Sequence[str]) -> dict[str, Any]:
        """Return it as JSON-ready data, with the verdict's ``sentences``."""
        return {"format": FORMAT, "runs": [one.to_json() for one in self.outcomes], "verdict": list(sentences)}

    @classmethod
    def of(cls, directory: Path) -> Comparison:
        """Read what is written in a directory such as ``RUN/compare``."""
        return cls(directory, tuple(Outcome.from_json(one) for one in read_json(directory / COMPARISON)["runs"]))
