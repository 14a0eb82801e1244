"""The choice that a user means: the cheapest subnet that is still as good as asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from autogc.config.experiment import COSTS
from autogc.config.pick import Pick, share_of
from autogc.errors import AutogcError
from autogc.metrics.limits import excess, largest_miss, minimizes
from autogc.search.pareto import PICKS, eligible, front, minimized_values, nothing_eligible, value_of
from autogc.search.pareto import pick as pick_by_name

if TYPE_CHECKING:
    from autogc.search.ledger import Evaluation

# A cheaper member of the front that misses a limit by no more than this share of it is worth fine-tuning.
NEARLY = 0.5


@dataclass(frozen=True)
class Choice:
    """The ``evaluation`` that was chosen, and ``why`` in a sentence.

    Where the choice was by limits on scores, ``limits`` are those in numbers, and ``misses`` says by how much (in the score's unit, above
    0) each that is not met is missed; empty where all are met.
    """

    evaluation: Evaluation
    why: str
    limits: dict[str, float] = field(default_factory=dict)
    misses: dict[str, float] = field(default_factory=dict)


def limits_of(pick: Mapping[str, float | str], teacher: Mapping[str, float]) -> dict[str, float]:
    """Return limits on scores in numbers: at most so much of a score of which less is better, at least so much of another.

    ``10%`` is within a tenth of ``teacher``'s score on the same images. Raises AutogcError where that says nothing: the teacher's is 0, is
    not finite or is not known.
    """
    found, problems = {}, []
    for name, limit in pick.items():
        share = share_of(limit)
        if share is None:
            found[name] = float(limit)
            continue
        value = float(teacher.get(name, math.nan))
        if not math.isfinite(value) or value == 0:
            said = f"is {value:g}" if name in teacher else "is not known"
            problems.append(f"{name}: {limit} of the teacher's says nothing, since that {said}; give a number, such as {name}: 30")
        else:
            found[name] = value + share * abs(value) * (1 if minimizes(name) else -1)
    if problems:
        raise AutogcError("export.pick: " + "; ".join(problems))
    return found


def choose(
    evaluations: Sequence[Evaluation],
    objectives: Sequence[str],
    pick: Pick,
    *,
    teacher: Mapping[str, float],
    constraints: Mapping[str, float] | None = None,
) -> Choice:
    """Return the evaluation that ``pick`` means: a name of ``PICKS`` or a hash (``pareto.pick``), or limits on scores (``limits_of``).

    With limits it is the cheapest, by the first objective that is a cost, else MACs, of those that meet them all and the constraints; where
    none does, the one whose largest miss, as a share of its limit, is least. Raises AutogcError where there is nothing to choose from.
    """
    if isinstance(pick, str):
        evaluation = pick_by_name(evaluations, objectives, pick, constraints=constraints)
        how = f"the {pick} of the front" if pick in PICKS else "asked for by its hash"
        return Choice(evaluation, f"{evaluation.candidate.hash}: {how}")
    limits = limits_of(pick, teacher)
    usable = _scored(evaluations, objectives, limits, constraints)
    best = min(usable, key=lambda one: _rank(one, objectives, limits))
    misses = _misses(best, limits)
    name, cost = best.candidate.hash, _cost(objectives)
    if misses:
        missed = ", ".join(f"{score} {value_of(best, score):.4g} by {by:.4g}" for score, by in misses.items())
        why = f"{name}: none of {len(usable)} subnets has {_said(pick, limits, teacher)}; this is the nearest, and misses {missed}"
    else:
        meeting = sum(not _misses(one, limits) for one in usable)
        cheapest = f"the cheapest ({cost} {value_of(best, cost):,.10g}) of {meeting} in {len(usable)} subnets"
        why = f"{name}: {cheapest} with {_said(pick, limits, teacher)}{_unsure(best, limits)}"
    return Choice(best, why, limits, misses)


def finalists(
    evaluations: Sequence[Evaluation],
    objectives: Sequence[str],
    pick: Pick,
    count: int,
    *,
    teacher: Mapping[str, float],
    constraints: Mapping[str, float] | None = None,
) -> list[Evaluation]:
    """Return at most ``count`` evaluations worth fine-tuning before the choice is made; the first is what would be chosen without it.

    With limits on scores: then members of the front that are cheaper than it and miss a limit by no more than ``NEARLY``, spread evenly
    over their costs, cheapest first, since fine-tuning may lift them over it. Where there are too few of those, other cheaper members, the
    least miss first, then dearer ones, the cheapest first. With ``knee``, ``best`` and ``smallest`` the members that come next by
    the same measure. A hash means one subnet, whatever the count.
    """
    first = choose(evaluations, objectives, pick, teacher=teacher, constraints=constraints).evaluation
    if count == 1 or (isinstance(pick, str) and pick not in PICKS):
        return [first]
    others = [one for one in front(evaluations, objectives, constraints) if one is not first]
    if isinstance(pick, str):
        return [first, *_next_by_name([first, *others], objectives, pick)[: count - 1]]
    limits, cost = limits_of(pick, teacher), _cost(objectives)
    others.sort(key=lambda one: value_of(one, cost))
    cheaper = [one for one in others if value_of(one, cost) < value_of(first, cost)]
    near = [one for one in cheaper if _miss(one, limits) <= NEARLY]
    taken = evenly(near, count - 1)
    rest = sorted((one for one in cheaper if one not in taken), key=lambda one: _miss(one, limits))
    rest += [one for one in others if one not in cheaper]
    return [first, *taken, *rest[: count - 1 - len(taken)]]


def evenly(ordered: Sequence[Evaluation], count: int) -> list[Evaluation]:
    """Return at most ``count`` of them, evenly spaced, both ends among them where there is more than one."""
    if len(ordered) <= count:
        return list(ordered)
    places = np.linspace(0, len(ordered) - 1, count) if count > 1 else np.array([len(ordered) - 1])
    return [ordered[round(place)] for place in places]


def _next_by_name(members: Sequence[Evaluation], objectives: Sequence[str], how: str) -> list[Evaluation]:
    """Return all but the first of the members, in the order in which they would be picked, one after the other."""
    left, ordered = list(members[1:]), []
    while left:
        ordered.append(pick_by_name(left, objectives, how))
        left.remove(ordered[-1])
    return ordered


def _unsure(evaluation: Evaluation, limits: Mapping[str, float]) -> str:
    """Return which limits are met by less than the scores' intervals; nothing where all are met surely, or no interval is known."""
    parts = []
    for name, limit in limits.items():
        lower, upper = evaluation.intervals.get(name, (math.nan, math.nan))
        if excess(name, upper if minimizes(name) else lower, limit) > 0:
            parts.append(f"{name} {value_of(evaluation, name):.4g} ({lower:.4g} to {upper:.4g} for 95 % of resamples of the images)")
    return f"; not surely: {', '.join(parts)}" if parts else ""


def _scored(
    evaluations: Sequence[Evaluation], objectives: Sequence[str], limits: Mapping[str, float], constraints: Mapping[str, float] | None
) -> list[Evaluation]:
    usable = eligible(evaluations, objectives, constraints)
    if not usable:
        raise nothing_eligible(evaluations, "subnet", constraints)
    known = [one for one in usable if all(math.isfinite(value_of(one, name)) for name in limits)]
    if not known:
        unknown = [name for name in limits if not any(math.isfinite(value_of(one, name)) for one in usable)]
        raise AutogcError(
            f"export.pick: the search did not score its candidates by {', '.join(unknown)}; it scores by its objectives, its "
            "constraints and what export.pick says when it starts: pick by one of those, or search anew in another --run-dir"
        )
    return known


def _cost(objectives: Sequence[str]) -> str:
    return next((name for name in objectives if name in COSTS), "macs")


def _rank(evaluation: Evaluation, objectives: Sequence[str], limits: Mapping[str, float]) -> tuple[float, ...]:
    return (_miss(evaluation, limits), value_of(evaluation, _cost(objectives)), *minimized_values([evaluation], objectives)[0])


def _miss(evaluation: Evaluation, limits: Mapping[str, float]) -> float:
    return largest_miss({name: value_of(evaluation, name) for name in limits}, limits)


def _misses(evaluation: Evaluation, limits: Mapping[str, float]) -> dict[str, float]:
    found = {name: abs(value_of(evaluation, name) - limit) for name, limit in limits.items()}
    return {name: by for name, by in found.items() if excess(name, value_of(evaluation, name), limits[name]) > 0}


def _said(pick: Mapping[str, float | str], limits: Mapping[str, float], teacher: Mapping[str, float]) -> str:
    parts = []
    for name, limit in limits.items():
        share = pick[name] if share_of(pick[name]) is not None else None
        of = "" if share is None else f" (within {share} of the teacher's {teacher[name]:.4g})"
        parts.append(f"{name} at {'most' if minimizes(name) else 'least'} {limit:.4g}{of}")
    return ", ".join(parts)
