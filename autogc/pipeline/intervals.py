"""How sure the scores of the front are: bootstrap intervals of its members, taken once the search is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autogc.errors import MetricError
from autogc.files import read_json, write_json
from autogc.pipeline.score import generating
from autogc.search import Evaluation, front

if TYPE_CHECKING:
    from autogc.pipeline.run import Run

INTERVALS = "intervals"


def tell_intervals(run: Run) -> None:
    """Score every member of the front once more, with intervals of ``search.intervals`` resamples, where it has none yet.

    They are kept in ``search/intervals/HASH.json`` and are part of ``run.evaluations`` from then on, around the scores that the search has.
    """
    search = run.experiment.search
    if not search.intervals:
        return
    members = front(run.evaluations, search.objectives, search.constraints)
    bare = [one for one in members if one.provenance.get("interval_resamples") != search.intervals]
    if not bare:
        return
    run.progress.start("search: intervals of the front's scores", total=len(bare))
    for place, member in enumerate(bare, start=1):
        try:
            judged = run.judge.score(
                generating(run.subnet(member.candidate), run.device),
                run.data.validation,
                metrics=run.experiment.scored,
                images=search.images,
                batch_size=search.known_batch_size,
                resamples=search.intervals,
            )
        except MetricError as error:
            # In the search's precision it was scored.
            run.progress.note(f"{member.candidate.hash} has no interval: {error}")
            continue
        # Computed on another device or in other batches than the search's, a score may differ in its last digits.
        found = {
            name: [end + member.scores[name] - judged.scores[name] for end in ends]
            for name, ends in judged.intervals.items()
            if name in member.scores
        }
        path = run.stage_directory("search") / INTERVALS / f"{member.candidate.hash}.json"
        write_json(path, {"resamples": search.intervals, "intervals": found})
        run.progress.update(place)


def with_intervals(evaluations: list[Evaluation], directory: Path, *, resamples: int) -> list[Evaluation]:
    """Return the evaluations with the intervals that a run directory has of them; as they are where ``resamples`` is 0."""
    if not resamples:
        return evaluations
    kept = {path.stem: path for path in (directory / "search" / INTERVALS).glob("*.json")}
    return [_with(one, kept[one.candidate.hash]) if one.candidate.hash in kept else one for one in evaluations]


def _with(evaluation: Evaluation, path: Path) -> Evaluation:
    found = read_json(path)
    said = {"intervals": found["intervals"], "interval_resamples": found["resamples"]}
    return replace(evaluation, provenance={**evaluation.provenance, **said})
