"""The Pareto front of evaluations: who is on it, how much it dominates, and which member to take.

Pure numpy. Arrays are float64 (N, M), one row a point, M objectives; unless ``minimize`` says otherwise less is better in each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autogc.errors import AutogcError
from autogc.metrics.catalogue import METRICS
from autogc.metrics.limits import excess, minimizes

if TYPE_CHECKING:
    from autogc.search.ledger import Evaluation

PICKS = ("knee", "best", "smallest")
# Above this many points the table of all pairs takes more memory than the filter takes time.
PAIRWISE_LIMIT = 1024


def non_dominated(values: np.ndarray, minimize: Sequence[bool] | None = None) -> np.ndarray:
    """Return which points no other point dominates, bool (N,). Equal points do not dominate each other.

    ``minimize`` says for each of the M columns of ``values`` (N, M) whether less is better; of all of them when absent.
    Raises ValueError for values that are not finite.
    """
    points = _minimized(values, minimize)
    return non_dominated_pairwise(points) if len(points) <= PAIRWISE_LIMIT else non_dominated_filter(points)


def non_dominated_pairwise(points: np.ndarray) -> np.ndarray:
    """Compare every pair of points (N, M), all minimised: O(N² M) time and memory."""
    no_worse = (points[:, None] <= points[None]).all(axis=2)
    better = (points[:, None] < points[None]).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))


def non_dominated_filter(points: np.ndarray) -> np.ndarray:
    """Sort points (N, M), all minimised, and let each survivor remove what it dominates: O(N F M) time for F members of the front."""
    left = np.lexsort(points.T[::-1])
    front = np.zeros(len(points), dtype=bool)
    while len(left):
        # Nothing later in lexicographic order can dominate the first.
        first = points[left[0]]
        equal = (points[left] == first).all(axis=1)
        front[left[equal]] = True
        left = left[(points[left] < first).any(axis=1)]
    return front


def hypervolume(values: np.ndarray, reference: np.ndarray) -> float:
    """Return the volume that ``values`` (N, 2) or (N, 3), all minimised, dominates within ``reference`` (M,). Higher is better.

    Points that are not below the reference in every objective add nothing. Exact: a sweep in two dimensions, slices of sweeps in three
    (Zitzler and Thiele, Multiobjective optimization using evolutionary algorithms, PPSN 1998). Raises ValueError for other M.
    """
    points = np.asarray(values, dtype=np.float64)
    reference = np.asarray(reference, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] not in (2, 3) or reference.shape != (points.shape[1],):
        raise ValueError(f"hypervolume takes (N, 2) or (N, 3) and as long a reference, got {points.shape} and {reference.shape}")
    points = points[(points < reference).all(axis=1)]
    if points.shape[1] == 2:
        return _area(points, reference)
    points = points[np.argsort(points[:, 2], kind="stable")]
    tops = np.append(points[1:, 2], reference[2])
    return float(sum((top - point[2]) * _area(points[: k + 1, :2], reference[:2]) for k, (point, top) in enumerate(zip(points, tops))))  # noqa: B905


def knee(values: np.ndarray) -> int:
    """Return the index of the knee among ``values`` (N, M), all minimised: the best trade-off.

    Each objective is scaled to [0, 1] over the points; the knee lies farthest below the plane through the scaled extremes, which is where
    the sum is least (Das, On characterizing the knee of the Pareto curve, Structural Optimization 18, 1999). The first of equals.
    """
    points = np.asarray(values, dtype=np.float64)
    if not len(points):
        raise ValueError("no points, so no knee")
    low, high = points.min(axis=0), points.max(axis=0)
    return int(np.argmin(((points - low) / np.where(high > low, high - low, 1.0)).sum(axis=1)))


def value_of(evaluation: Evaluation, name: str) -> float:
    """Return a score or cost by its name; NaN where the evaluation has none."""
    return float(evaluation.scores.get(name, evaluation.costs.get(name, math.nan)))


def minimized_values(evaluations: Sequence[Evaluation], objectives: Sequence[str]) -> np.ndarray:
    """Return the objectives of evaluations, float64 (N, M), those that are maximised negated."""
    signs = [1.0 if minimizes(name) else -1.0 for name in objectives]
    rows = [[sign * value_of(evaluation, name) for sign, name in zip(signs, objectives, strict=True)] for evaluation in evaluations]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(objectives))


def eligible(
    evaluations: Sequence[Evaluation], objectives: Sequence[str], constraints: Mapping[str, float] | None = None
) -> list[Evaluation]:
    """Return the complete evaluations with a finite value for each objective that meet the constraints (name -> limit).

    A constraint is the most allowed of a cost and of a score of which less is better, the least of another score. Scores are only known
    after an evaluation: where none of those that meet the limits on costs meets those on scores too, these are left out, so that
    there is something to look at and the nearest can be told.
    """
    limits = constraints or {}
    costs = {name: limit for name, limit in limits.items() if name not in METRICS}
    found = [
        evaluation
        for evaluation in evaluations
        if evaluation.state == "complete"
        and all(math.isfinite(value_of(evaluation, name)) for name in objectives)
        and all(value_of(evaluation, name) <= limit for name, limit in costs.items())
    ]
    return [one for one in found if all(excess(name, value_of(one, name), limits[name]) <= 0 for name in limits.keys() - costs)] or found


def front(evaluations: Sequence[Evaluation], objectives: Sequence[str], constraints: Mapping[str, float] | None = None) -> list[Evaluation]:
    """Return the members of the Pareto front, in the order given. Failed evaluations and those over a constraint have no part in it."""
    candidates = eligible(evaluations, objectives, constraints)
    mask = non_dominated(minimized_values(candidates, objectives))
    return [evaluation for evaluation, member in zip(candidates, mask, strict=True) if member]


def dominated_share(evaluations: Sequence[Evaluation], objectives: Sequence[str], constraints: Mapping[str, float] | None = None) -> float:
    """Return the hypervolume as a share, in [0, 1], of the box between the best and the worst values seen: a figure to watch."""
    values = minimized_values(eligible(evaluations, objectives, constraints), objectives)
    if not len(values):
        return 0.0
    low, high = values.min(axis=0), values.max(axis=0)
    if (high <= low).any():
        return 0.0
    scaled = (values - low) / (high - low)
    return hypervolume(scaled[non_dominated(scaled)], np.ones(values.shape[1]))


def pick(
    evaluations: Sequence[Evaluation],
    objectives: Sequence[str],
    how: str = "knee",
    *,
    constraints: Mapping[str, float] | None = None,
) -> Evaluation:
    """Return one evaluation: ``knee`` of the front, ``best`` (in the first score), ``smallest`` (in the first cost, else MACs), or a hash.

    The first digits of a candidate's hash name any complete evaluation, on the front or off it. Raises AutogcError, with what would
    work, when nothing is complete, nothing meets the constraints, or the hash names none or several.
    """
    if how not in PICKS:
        return _by_hash(evaluations, how)
    members = front(evaluations, objectives, constraints)
    if not members:
        raise nothing_eligible(evaluations, how, constraints)
    if how == "knee":
        return members[knee(minimized_values(members, objectives))]
    ranked = next((name for name in objectives if (name in METRICS) == (how == "best")), "macs")
    order = [ranked, *(name for name in objectives if name != ranked)]
    return min(members, key=lambda evaluation: tuple(minimized_values([evaluation], order)[0]))


def nothing_eligible(evaluations: Sequence[Evaluation], what: str, constraints: Mapping[str, float] | None) -> AutogcError:
    """Return the error that there is nothing to pick from, with what would work."""
    complete = sum(evaluation.state == "complete" for evaluation in evaluations)
    costs = {name: limit for name, limit in (constraints or {}).items() if name not in METRICS}
    return AutogcError(
        f"nothing to pick the {what} from: of {len(evaluations)} evaluations {complete} are complete and none of them meets "
        f"{_listed(costs) or 'the objectives with finite values'}; search on with more evaluations or name a hash"
    )


def _by_hash(evaluations: Sequence[Evaluation], prefix: str) -> Evaluation:
    found = [evaluation for evaluation in evaluations if evaluation.candidate.hash.startswith(prefix.lower())] if prefix else []
    complete = [evaluation for evaluation in found if evaluation.state == "complete"]
    if len(complete) == 1:
        return complete[0]
    if complete:
        raise AutogcError(f"{prefix!r} begins the hashes of {len(complete)} candidates ({_hashes(complete)}): give more digits")
    if found:
        raise AutogcError(f"candidate {found[0].candidate.hash} was not scored: {found[0].reason}")
    known = _hashes([evaluation for evaluation in evaluations if evaluation.state == "complete"])
    raise AutogcError(f"no candidate's hash begins with {prefix!r}; use {', '.join(PICKS)} or a hash ({known or 'none is complete yet'})")


def _hashes(evaluations: Sequence[Evaluation], most: int = 8) -> str:
    shown = [evaluation.candidate.hash for evaluation in evaluations[:most]]
    return ", ".join(shown) + (f" and {len(evaluations) - most} more" if len(evaluations) > most else "")


def _listed(constraints: Mapping[str, float] | None) -> str:
    return ", ".join(f"{name} at most {limit:,.10g}" for name, limit in (constraints or {}).items())


def _minimized(values: np.ndarray, minimize: Sequence[bool] | None) -> np.ndarray:
    points = np.asarray(values, dtype=np.float64)
    if points.ndim != 2:
        raise ValueError(f"values must be (N, M), got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("values must be finite")
    if minimize is None:
        return points
    if len(minimize) != points.shape[1]:
        raise ValueError(f"minimize speaks of {len(minimize)} objectives, values of {points.shape[1]}")
    return points * np.where(np.asarray(minimize, dtype=bool), 1.0, -1.0)


def _area(points: np.ndarray, reference: np.ndarray) -> float:
    """Return the area that points (N, 2) dominate; each is below the reference."""
    order = np.lexsort((points[:, 1], points[:, 0]))
    total, ceiling = 0.0, float(reference[1])
    for x, y in points[order]:
        if y < ceiling:
            total += (float(reference[0]) - float(x)) * (ceiling - float(y))
            ceiling = float(y)
    return total
