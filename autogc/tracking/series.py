"""What the figures draw, as numbers: the front, the rest, and how the hypervolume grew."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autogc.metrics.limits import minimizes
from autogc.search.pareto import eligible, front, hypervolume, minimized_values, value_of
from autogc.tracking.quantities import QUANTITIES, axis_title, judge_of, scale_of

if TYPE_CHECKING:
    from autogc.search.ledger import Evaluation

# The reference lies this share of the range beyond the worst value seen, so that extreme members count
# (Ishibuchi et al., "How to specify a reference point in hypervolume calculation", Evolutionary Computation 2018).
MARGIN = 0.1
# A cost that spans more than this ratio reads better on a logarithmic axis.
LOGARITHMIC_FROM = 12.0


@dataclass(frozen=True)
class FrontSeries:
    """The evaluations that can be drawn, split by whether they are on the front, in ascending order of ``x``.

    ``x`` is the first cost among the objectives, ``y`` the first score (or what is left), ``colour`` the third objective.
    ``teacher`` holds the teacher's values by name, where they are known.
    """

    x: str
    y: str
    colour: str | None
    members: tuple[Evaluation, ...]
    others: tuple[Evaluation, ...]
    teacher: Mapping[str, float]

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the scores come from, as the first drawn evaluation says it."""
        drawn = self.members + self.others
        return drawn[0].provenance if drawn else {}

    @property
    def title(self) -> str:
        """What is drawn, in one line."""
        third = f" and {QUANTITIES[self.colour].title}" if self.colour else ""
        return f"Pareto front: {QUANTITIES[self.y].title} against {QUANTITIES[self.x].title}{third}"

    @property
    def subtitle(self) -> str:
        """How many evaluations, how many of them are on the front, and what the bars are."""
        total = len(self.members) + len(self.others)
        bars = "; bars: 95 % of resamples of the images" if any(self.y in one.intervals for one in self.members) else ""
        return f"{total} subnets scored in the supernet, {len(self.members)} on the front{bars}"

    @property
    def judges(self) -> str:
        """Which network judged each score that is drawn, or how it was taken."""
        named = [judge_of(name, self.provenance) for name in (self.x, self.y, self.colour) if name]
        return "; ".join(one for one in named if one)

    @property
    def step(self) -> str:
        """How the line runs between members, plotly's word: the cheaper one's score holds until the next (reversed for a maximised x)."""
        return "vh" if QUANTITIES[self.x].higher_is_better else "hv"

    @property
    def logarithmic(self) -> bool:
        """Whether ``x`` is a cost that spans too large a ratio for a linear axis."""
        values = self._known(self.x)
        return not QUANTITIES[self.x].is_score and bool(values) and 0 < LOGARITHMIC_FROM * min(values) < max(values)

    @property
    def ticks(self) -> list[float]:
        """1, 2 and 5 in every decade that ``x`` reaches, for a logarithmic axis."""
        values = [value / self.divisor(self.x) for value in self._known(self.x)]
        decades = range(math.floor(math.log10(min(values))), math.floor(math.log10(max(values))) + 1)
        return [step * 10.0**decade for decade in decades for step in (1, 2, 5)]

    @property
    def teacher_drawn(self) -> bool:
        """Whether the teacher has a place on both axes."""
        return self.x in self.teacher and self.y in self.teacher

    def scaled(self, name: str, group: Sequence[Evaluation]) -> list[float]:
        """Return the group's values of a score or cost in the unit that its axis says."""
        divisor = self.divisor(name)
        return [value_of(evaluation, name) / divisor for evaluation in group]

    def bars(self, name: str, group: Sequence[Evaluation]) -> tuple[list[float], list[float]] | None:
        """Return how far the group's intervals of a score reach below and above it, in the unit of its axis, 0 where it has none.

        None where nobody has one.
        """
        if not any(name in one.intervals for one in group):
            return None
        divisor = self.divisor(name)
        ends = [one.intervals.get(name, (value_of(one, name),) * 2) for one in group]
        below = [max(value_of(one, name) - lower, 0.0) / divisor for one, (lower, _) in zip(group, ends, strict=True)]
        above = [max(upper - value_of(one, name), 0.0) / divisor for one, (_, upper) in zip(group, ends, strict=True)]
        return below, above

    def divisor(self, name: str) -> float:
        """Return what a value is divided by to be in the axis's unit, such as 1e9 for MACs in G."""
        return scale_of(name, self._known(name))[0]

    def axis(self, name: str) -> str:
        """Return the axis title: name, unit and direction."""
        return axis_title(name, self._known(name))

    def _known(self, name: str) -> list[float]:
        values = [value_of(evaluation, name) for evaluation in self.members + self.others]
        return values + ([self.teacher[name]] if name in self.teacher else [])


def arrange(
    evaluations: Sequence[Evaluation],
    objectives: Sequence[str],
    *,
    teacher: Mapping[str, float] | None = None,
    constraints: Mapping[str, float] | None = None,
) -> FrontSeries:
    """Choose the axes and split the evaluations into the front and the rest; failed ones, and those over a constraint, are left out."""
    scores = [name for name in objectives if QUANTITIES[name].is_score]
    costs = [name for name in objectives if not QUANTITIES[name].is_score]
    x, y, *rest = [*costs[:1], *scores, *costs[1:]] if costs else [*scores[1:], scores[0]]
    usable = eligible(evaluations, objectives, constraints)
    members = front(usable, objectives)
    chosen = {id(evaluation) for evaluation in members}
    others = [evaluation for evaluation in usable if id(evaluation) not in chosen]
    return FrontSeries(
        x=x,
        y=y,
        colour=rest[0] if rest else None,
        members=tuple(sorted(members, key=lambda evaluation: value_of(evaluation, x))),
        others=tuple(sorted(others, key=lambda evaluation: value_of(evaluation, x))),
        teacher={name: value for name, value in (teacher or {}).items() if name in QUANTITIES and math.isfinite(value)},
    )


def reference_point(
    evaluations: Sequence[Evaluation], objectives: Sequence[str], *, constraints: Mapping[str, float] | None = None
) -> dict[str, float] | None:
    """Return a reference a tenth of the range beyond the worst value of each objective; None where there is nothing to draw."""
    usable = eligible(evaluations, objectives, constraints)
    if not usable:
        return None
    values = minimized_values(usable, objectives)
    worst, best = values.max(axis=0), values.min(axis=0)
    span = np.where(worst > best, worst - best, np.maximum(np.abs(worst), 1.0))
    point = (worst + MARGIN * span) * _signs(objectives)
    return {name: float(value) for name, value in zip(objectives, point, strict=True)}


def hypervolume_history(
    evaluations: Sequence[Evaluation],
    objectives: Sequence[str],
    *,
    reference: Mapping[str, float],
    constraints: Mapping[str, float] | None = None,
) -> list[tuple[int, float]]:
    """Return (trial, hypervolume of everything finished up to and with it), in the order in which trials finished.

    With trials running side by side that order is not the trials' own; it is the one in which a value, once given, stays true.
    """
    point = np.array([reference[name] for name in objectives]) * _signs(objectives)
    ordered = sorted(eligible(evaluations, objectives, constraints), key=lambda evaluation: (evaluation.finished, evaluation.trial))
    history, best, volume = [], np.empty((0, len(objectives))), 0.0
    for evaluation, value in zip(ordered, minimized_values(ordered, objectives), strict=True):
        if not (best <= value).all(axis=1).any():
            best = np.vstack([best[~(value <= best).all(axis=1)], value])
            volume = hypervolume(best, point)
        history.append((evaluation.trial, volume))
    return history


def _signs(objectives: Sequence[str]) -> np.ndarray:
    return np.array([1.0 if minimizes(name) else -1.0 for name in objectives])
