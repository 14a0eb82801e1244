"""The report that a run ends with: tables, the front, the image grid, and where every number comes from."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any

from autogc.cost import protocol_of
from autogc.files import replacing, write_text
from autogc.metrics.limits import minimizes
from autogc.search.pareto import eligible
from autogc.tracking.album import FRONT_CSV, FRONT_HTML, FRONT_PNG, GRID_PNG, HYPERVOLUME_PNG, write_front
from autogc.tracking.parts import markdown_parts, parts_csv, parts_tables
from autogc.tracking.quantities import QUANTITIES
from autogc.tracking.series import arrange, reference_point
from autogc.tracking.table import SubnetRow, cell, columns_of, markdown_table, teacher_of

if TYPE_CHECKING:
    from autogc.config.experiment import Experiment
    from autogc.search.ledger import Evaluation

REPORT_MD, INDEX_HTML, PARTS_CSV = "report.md", "index.html", "parts.csv"
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .35rem .8rem; border-bottom: 1px solid #e4e7eb; text-align: right; white-space: nowrap; }
th { border-bottom: 2px solid #9aa5b1; } td:first-child, th:first-child { text-align: left; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1rem; }
img { max-width: 100%; } iframe { width: 100%; height: 680px; border: 0; } .scroll { overflow-x: auto; }
"""


def write_report(
    directory: str | Path,
    *,
    experiment: Experiment,
    evaluations: Sequence[Evaluation],
    rows: Sequence[SubnetRow],
    provenance: Mapping[str, Any],
    command: str,
    latency: Sequence[str] = (),
    choice: Sequence[str] = (),
    grid: Path | None = None,
    teacher: Mapping[str, float] | None = None,
    reference: Mapping[str, float] | None = None,
    captions: Mapping[str, str] | None = None,
) -> Path:
    """Write report.md, index.html, front.csv, front.html, front.png, hypervolume.png and grid.png; return index.html.

    Where scores have parts, such as the IoU of each class, they are in tables of their own, and in parts.csv.

    ``rows`` are the subnets measured on the test images, the teacher first, in the order of the grid's columns. ``teacher`` holds
    its values on the images that the search scored with, for the figures. ``provenance`` says where the scores come from
    (``Judge.provenance``), ``latency`` how latencies were taken and ``choice`` how the subnet was chosen, in sentences; ``reference`` is
    the hypervolume's, such as the tracker's, chosen from the evaluations when absent. ``captions`` are of other pictures that are in
    ``directory`` already, by file.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    objectives = experiment.search.objectives
    usable = eligible(evaluations, objectives, experiment.search.constraints)
    if usable:
        point = reference or reference_point(usable, objectives)
        assert point is not None
        write_front(directory, usable, objectives, reference=point, teacher=teacher)
    if grid is not None and grid.resolve() != (directory / GRID_PNG).resolve():
        with replacing(directory / GRID_PNG) as beside:
            copyfile(grid, beside)
    if any(row.details for row in rows):
        parts_csv(rows, directory / PARTS_CSV)
    members = [row_of(evaluation) for evaluation in arrange(usable, objectives).members]
    facts = provenance_facts(experiment, evaluations, provenance=provenance, command=command, latency=latency)
    facts = ({"chosen": " ".join(choice)} if choice else {}) | facts
    pictures = {name: text for name, text in {**CAPTIONS, **(captions or {})}.items() if (directory / name).exists()}
    write_text(directory / REPORT_MD, _markdown(experiment.name, rows=rows, members=members, facts=facts, pictures=pictures))
    write_text(directory / INDEX_HTML, _page(experiment.name, rows=rows, members=members, facts=facts, pictures=pictures))
    return directory / INDEX_HTML


def row_of(evaluation: Evaluation, *, name: str | None = None) -> SubnetRow:
    """Return an evaluation as a row of the table, named by the first digits of its hash."""
    row = SubnetRow.of(name or evaluation.candidate.hash[:8], {**evaluation.scores, **evaluation.costs})
    return replace(row, intervals=evaluation.intervals)


def provenance_facts(
    experiment: Experiment, evaluations: Sequence[Evaluation], *, provenance: Mapping[str, Any], command: str, latency: Sequence[str] = ()
) -> dict[str, str]:
    """Return what a reader needs to judge the numbers and to make them again, as (what, how it was) in order."""
    reasons = Counter(evaluation.reason or "no reason given" for evaluation in evaluations if evaluation.state == "failed")
    facts = {"command": command, "experiment": experiment.name, "seed": str(experiment.seed), "data": experiment.data.name}
    facts |= _flat(provenance)
    complete = sum(evaluation.state == "complete" for evaluation in evaluations)
    screened = sum(evaluation.state == "screened" for evaluation in evaluations)
    seen = f", {screened} too bad on the first {experiment.search.first_images} images to be scored on all" if screened else ""
    facts["evaluations"] = f"{len(evaluations)}, of which {complete} complete{seen}"
    if reasons:
        facts["failed because"] = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    constraints = experiment.search.constraints
    limits = [f"{name} at {'most' if minimizes(name) else 'least'} {limit:g}" for name, limit in constraints.items()]
    facts["constraints"] = ", ".join(limits) or "none"
    facts["latency"] = " ".join(latency) or protocol_of(experiment.scores.latency)
    predictions = [one.provenance["latency"] for one in evaluations if one.provenance.get("latency", {}).get("predicted")]
    if predictions:
        tau, error, held = (predictions[0][name] for name in ("tau", "median_error", "held_out"))
        facts["latency in the search"] = (
            f"of {len(predictions)} of {len(evaluations)} candidates predicted from measured layers (on {held} candidates "
            f"that the predictor had not seen Kendall's tau {tau:.3f}, median error {error:.1%}); every member of the front measured"
        )
    facts["MACs"] = "transposed convolutions at their input positions; the published convention counts them at their output positions"
    facts["report written on"] = machine()
    return facts


def machine() -> str:
    """Return this machine and the versions that matter, in one line."""
    import torch

    versions = [f"Python {platform.python_version()}", f"torch {torch.__version__}"]
    try:
        versions.append(f"autogc {version('autogc')}")
    except PackageNotFoundError:  # run from a checkout that is not installed
        versions.append("autogc (not installed)")
    accelerator = f", {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else ""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores{accelerator}; " + ", ".join(versions)


def _flat(values: Mapping[str, Any], *, under: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        label = f"{under}{name.replace('_', ' ')}"
        flat |= _flat(value, under=f"{label}: ") if isinstance(value, Mapping) else {label: str(value)}
    return flat


CAPTIONS = {
    FRONT_PNG: "The front",
    HYPERVOLUME_PNG: "How the front grew",
    GRID_PNG: "Pictures of the teacher, of members of the front spread over its length, and of the chosen subnet fine-tuned",
}
MEASURED = "Subnets, on the test images"
PARTS = "What the scores are made of, on the test images"
SEARCHED = "The front as searched: scores in the supernet, on the validation images, before any fine-tuning"


def _markdown(
    name: str, *, rows: Sequence[SubnetRow], members: Sequence[SubnetRow], facts: Mapping[str, str], pictures: Mapping[str, str]
) -> str:
    parts = [f"# {name}\n"]
    parts += [f"## {title}\n\n{markdown_table(table)}" for title, table in ((MEASURED, rows), (SEARCHED, members)) if table]
    parts += [f"## {text}\n\n![{text}]({file})\n" for file, text in pictures.items()]
    if any(row.details for row in rows):
        parts.append(f"## {PARTS}\n\n{markdown_parts(rows)}")
    parts.append("## Where the numbers come from\n\n" + "".join(f"- **{what}**: {how}\n" for what, how in facts.items()))
    return "\n".join(parts)


def _page(
    name: str, *, rows: Sequence[SubnetRow], members: Sequence[SubnetRow], facts: Mapping[str, str], pictures: Mapping[str, str]
) -> str:
    parts = [f"<h1>{escape(name)}</h1>"]
    if rows:
        parts += [f"<h2>{MEASURED}</h2>", subnets_html(rows)]
    for file, text in pictures.items():
        parts.append(f"<h2>{escape(text)}</h2>")
        if file == FRONT_PNG:
            parts.append(f'<iframe src="{FRONT_HTML}" title="{escape(text)}"></iframe>')
            parts.append(f'<p>Point at a subnet to see what it is. Still: <a href="{FRONT_PNG}">{FRONT_PNG}</a>; numbers: ')
            parts.append(f'<a href="{FRONT_CSV}">{FRONT_CSV}</a>.</p>')
        else:
            parts.append(f'<div class="scroll"><a href="{file}"><img src="{file}" alt="{escape(text)}"></a></div>')
    if members:
        parts += [f"<h2>{SEARCHED}</h2>", subnets_html(members)]
    if tables := parts_tables(rows):
        parts.append(f'<h2>{PARTS}</h2><p>Numbers: <a href="{PARTS_CSV}">{PARTS_CSV}</a>.</p>')
        parts += [html_table((table.title, *table.subnets), [(name, *cells) for name, cells in table.lines]) for table in tables]
    listed = "".join(f"<dt>{escape(what)}</dt><dd>{escape(how)}</dd>" for what, how in facts.items())
    parts.append(f"<h2>Where the numbers come from</h2><dl>{listed}</dl>")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(name)}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body></html>\n"


def subnets_html(rows: Sequence[SubnetRow]) -> str:
    columns, teacher = columns_of(rows), teacher_of(rows)
    lines = [(row.name, *(cell(row, column, teacher=teacher) for column in columns)) for row in rows]
    return html_table(("subnet", *(QUANTITIES[column].title for column in columns)), lines)


def html_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    heads = "".join(f"<th>{escape(text)}</th>" for text in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in cells) + "</tr>" for cells in lines)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
