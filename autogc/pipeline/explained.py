"""What a run's decisions do to its scores: worked out from its evaluations, kept beside the report, shown in MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autogc.errors import AutogcError, nearest
from autogc.files import read_json, write_json
from autogc.metrics.catalogue import METRICS
from autogc.search.explain import LEAST, Explanation, explain
from autogc.tracking.explained import explained_png

if TYPE_CHECKING:
    from autogc.pipeline.run import Run

EXPLAINED = "explained.json"


def figure_of(score: str) -> str:
    """Return the name of a score's figure."""
    return f"explained_{score}.png"


def explain_run(run: Run, scores: Sequence[str] = ()) -> list[Explanation]:
    """Explain ``scores``, those among the objectives when none is named, and write ``explained.json`` and a figure each into ``report/``.

    Raises AutogcError where the search scored nothing by one of them, or evaluated too few candidates.
    """
    evaluations = run.evaluations
    known = dict.fromkeys(name for one in evaluations for name in one.scores)
    for name in scores:
        if name not in known:
            raise AutogcError(f"the search of {run.directory} did not score by {name!r}: {nearest(name, known) if known else 'by nothing'}")
    asked = list(scores) or [name for name in run.experiment.search.objectives if name in METRICS]
    chosen = run.chosen if run.result("export") is not None else None
    evaluated = next((one for one in evaluations if one.candidate.hash == chosen), None)
    found = [
        explain(
            evaluations,
            name,
            space=run.space,
            costs=run.costs,
            constraints=run.experiment.search.constraints,
            chosen=evaluated,
            seed=run.experiment.seed,
        )
        for name in asked
    ]
    directory = run.stage_directory("report")
    directory.mkdir(parents=True, exist_ok=True)
    kept = {one["score"]: one for one in read_json(directory / EXPLAINED)} if (directory / EXPLAINED).is_file() else {}
    kept = {name: one for name, one in kept.items() if one["evaluations"] == found[0].evaluations and name not in asked} if found else kept
    write_json(directory / EXPLAINED, [*kept.values(), *(one.to_json() for one in found)])
    for one in found:
        explained_png(one, directory / figure_of(one.score))
    return found


def explain_in_report(run: Run) -> list[Explanation]:
    """Explain the objectives for the report; nothing where there are too few evaluations to learn from."""
    complete = [one for one in run.evaluations if one.state == "complete"]
    return explain_run(run) if len(complete) >= LEAST else []


def figures(run: Run, explanations: Sequence[Explanation]) -> list[Path]:
    """Return where the figures are."""
    return [run.stage_directory("report") / figure_of(one.score) for one in explanations]
