"""What a comparison leaves to look at: one table, one figure, a grid of pictures, and all of it as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from autogc.export import load_package
from autogc.files import write_json
from autogc.pipeline.baseline import measured_baseline
from autogc.pipeline.compare.comparison import COMPARISON, OTHERS, Comparison, Outcome
from autogc.pipeline.compare.verdict import decided
from autogc.pipeline.pictures import draw_grid
from autogc.pipeline.score import generating
from autogc.tracking.album import GRID_PNG
from autogc.tracking.comparison import SCORES_PNG, Panel, Points, comparison_png, write_page
from autogc.tracking.quantities import QUANTITIES, shown
from autogc.tracking.report import INDEX_HTML, REPORT_MD
from autogc.tracking.table import SubnetRow

if TYPE_CHECKING:
    from autogc.pipeline.run import Run
    from autogc.tracking import Tracker

COST_FIELDS = ("macs", "macs_published", "bops", "params", "storage_bytes", "peak_activation_bytes", "latency_ms")
# What a column of pictures is wide enough for.
COLUMNS = {"uniform": "uniformly narrower", "scratch": "from scratch", "alone": "distilled alone"}
PANELS = 2  # columns of the figure, where no more scores than that are searched for


def write_comparison(comparison: Comparison, sentences: Sequence[str], *, tracker: Tracker) -> None:
    """Write report.md, index.html, scores.png and, last, comparison.json; hand them to MLflow, with the grid where there is one."""
    outcomes, directory = comparison.outcomes, comparison.directory
    comparison_png(panels(outcomes), directory / SCORES_PNG)
    rows = table_rows(outcomes)
    write_page(
        directory,
        title=f"{' and '.join(one.run for one in outcomes)}: the chosen subnet, compared",
        sentences=sentences,
        rows=rows,
        every=training_rows(outcomes) if are_several(outcomes) else (),
        tables=[table for one in outcomes if (table := ranking_table(one, several=len(outcomes) > 1)) is not None],
        notes=list(dict.fromkeys(note for one in outcomes for note in one.notes)),
        files=[name for name in (SCORES_PNG, GRID_PNG) if (directory / name).is_file()],
    )
    write_json(directory / COMPARISON, comparison.to_json(sentences))
    under = "compare/pooled" if len(outcomes) > 1 else "compare"
    for name in (REPORT_MD, INDEX_HTML, SCORES_PNG, GRID_PNG, COMPARISON):
        if (directory / name).is_file():
            tracker.artifact(directory / name, under=under)


def draw_pictures(run: Run, path: Path, outcome: Outcome, *, packages: Mapping[str, Path]) -> None:
    """Draw a few test inputs, what the teacher and the chosen subnet make of them, and what each of the others does (``packages``)."""
    source = run.experiment.generator.source

    def made_by(package: Path):  # type: ignore[no-untyped-def]
        return generating(load_package(package, source=source).module, run.device)

    members = [(outcome.after, made_by(run.finetuned))]
    for kind, package in packages.items():
        row = outcome.others[kind][min(outcome.others[kind])]
        members.append((replace(row, name=COLUMNS[kind]), made_by(package)))
    draw_grid(run, path, teacher=outcome.teacher, members=members, split="test", baseline=measured_baseline(run))


def table_rows(outcomes: Sequence[Outcome]) -> list[SubnetRow]:
    """Return the rows of the table: the teacher, the chosen subnet, and each of the others, means where there are several seeds or runs."""
    rows = [averaged([getattr(one, part) for one in outcomes]) for part in ("teacher", "before", "after")]
    for kind in OTHERS:
        found = [row for one in outcomes for row in one.others.get(kind, {}).values()]
        if found:
            rows.append(averaged(found))
    return rows


def are_several(outcomes: Sequence[Outcome]) -> bool:
    """Return whether rows of the table stand for several trainings."""
    return len(outcomes) > 1 or any(len(rows) > 1 for one in outcomes for rows in one.others.values())


def training_rows(outcomes: Sequence[Outcome]) -> list[SubnetRow]:
    """Return a row for each training, named with its seed and, where there are several, its run."""
    several = len(outcomes) > 1
    rows = []
    for one in outcomes:
        where = f", {one.run}" if several else ""
        rows += [replace(row, name=f"{row.name}{where}") for row in (one.before, one.after)]
        rows += [replace(row, name=f"{row.name}, seed {seed}{where}") for kind in OTHERS for seed, row in one.others.get(kind, {}).items()]
    return rows


def averaged(rows: Sequence[SubnetRow]) -> SubnetRow:
    """Return the mean of rows, with the lowest and the highest of each score where they differ; a single row as it is.

    What is in brackets in a name, such as how narrow the uniform generator is, is left out where it is not the same in all.
    """
    if len(rows) == 1:
        return rows[0]
    scores = [score for score in rows[0].scores if all(score in row.scores for row in rows)]
    ranges = {score: (min(row.scores[score] for row in rows), max(row.scores[score] for row in rows)) for score in scores}
    name = rows[0].name if len({row.name for row in rows}) == 1 else rows[0].name.partition(" (")[0]
    costs = {cost: [getattr(row, cost) for row in rows] for cost in COST_FIELDS}
    return SubnetRow(
        name,
        scores={score: fmean(row.scores[score] for row in rows) for score in scores},
        intervals={score: ends for score, ends in ranges.items() if ends[0] < ends[1]},
        **{cost: fmean(values) for cost, values in costs.items() if None not in values},  # type: ignore[arg-type]
    )


def ranking_table(outcome: Outcome, *, several: bool) -> tuple[str, Sequence[str], Sequence[Sequence[str]]] | None:
    """Return the ranking as a title, a head and lines, from the cheapest; None where there is none."""
    ranking = outcome.ranking
    if ranking is None or not ranking.members:
        return None
    how = "distilled alone" if ranking.way == "alone" else "fine-tuned"
    images = "all images" if ranking.images is None else f"{ranking.images} images"
    title = f"Ranking: in the supernet, and {how} for {ranking.steps} steps ({images} of the validation split)"
    head = ["candidate", "MACs", "among the cheapest"]
    for score in ranking.scores:
        head += [f"{QUANTITIES[score].title}, supernet", f"{QUANTITIES[score].title}, {how}"]
    lines = []
    for one in ranking.members:
        share = "tenth" if one.tenth else "quarter" if one.quarter else ""
        values = [shown(score, value) for score in ranking.scores for value in (one.supernet[score], one.trained[score])]
        lines.append([one.candidate, shown("macs", one.macs), share, *values])
    return (f"{title}, {outcome.run}" if several else title), head, lines


def panels(outcomes: Sequence[Outcome]) -> list[list[Panel]]:
    """Return the figure's rows: scores against MACs on the test split and, where there is a ranking, on the validation split."""
    every = [row for one in outcomes for row in (one.teacher, one.before, one.after)]
    every += [row for one in outcomes for rows in one.others.values() for row in rows.values()]
    objectives = outcomes[0].objectives
    scores = decided(every, objectives)[: max(PANELS, len(objectives))]
    tested = []
    for score in scores:
        groups = [
            _points("teacher", [one.teacher for one in outcomes], score),
            _points("chosen, from the supernet", [one.before for one in outcomes], score),
            _points("chosen, fine-tuned", [one.after for one in outcomes], score),
        ]
        for kind, name in OTHERS.items():
            found = [row for one in outcomes for row in one.others.get(kind, {}).values()]
            if found:
                groups.append(_points(name.removeprefix("the "), found, score))
        tested.append(Panel("Test split", score, tuple(groups)))
    ranked = []
    rankings = [one.ranking for one in outcomes if one.ranking is not None and one.ranking.members]
    for score in scores:
        if rankings and all(score in ranking.scores for ranking in rankings):
            taus = [ranking.tau(score) for ranking in rankings]
            said = ", ".join("undefined" if tau is None else f"{tau:.2f}" for tau in taus)
            candidates = [one for ranking in rankings for one in ranking.members]
            macs = tuple(one.macs for one in candidates)
            way = "distilled alone" if rankings[0].way == "alone" else "fine-tuned"
            groups = [
                Points("candidate, in the supernet", macs, tuple(one.supernet[score] for one in candidates)),
                Points(f"candidate, {way}", macs, tuple(one.trained[score] for one in candidates)),
            ]
            ranked.append(Panel(f"Validation split, Kendall's tau {said}", score, tuple(groups), joined=True))
    return [tested, ranked] if ranked else [tested]


def _points(name: str, rows: Sequence[SubnetRow], score: str) -> Points:
    known = [(row.macs, row.scores[score]) for row in rows if row.macs is not None]
    return Points(name, tuple(macs for macs, _ in known), tuple(value for _, value in known))
