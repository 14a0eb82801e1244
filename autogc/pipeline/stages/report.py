"""The report: teacher, front and chosen subnet, all measured end to end and scored on the test split."""

from __future__ import annotations

from pathlib import Path

from autogc.export import load_package
from autogc.files import sha256_file, write_json
from autogc.pipeline.baseline import measured_baseline
from autogc.pipeline.choice import choice_notes, chosen_afterwards
from autogc.pipeline.explained import explain_in_report, figure_of
from autogc.pipeline.pictures import MEMBERS, draw_grid, spread, subnet, teacher_on_validation
from autogc.pipeline.report import REPORT, Report
from autogc.pipeline.run import EXPERIMENT, Run
from autogc.pipeline.score import generating, identity_of, measured, measured_package, notes
from autogc.pipeline.stage import Stage
from autogc.pipeline.timing import latency_notes
from autogc.pipeline.truth import measured_against_truth
from autogc.search import front
from autogc.supernet.conversion import plain_copy
from autogc.tracking import write_report
from autogc.tracking.explained import caption
from autogc.tracking.table import TEACHER, SubnetRow


def _report(run: Run) -> None:
    directory = run.stage_directory("report")
    evaluations = run.evaluations
    members = front(evaluations, run.experiment.search.objectives, run.experiment.search.constraints)
    source = run.experiment.generator.source
    exported, finetuned = load_package(run.exported, source=source), load_package(run.finetuned, source=source)
    run.progress.start("report: scoring and timing on the test split", total=len(members) + 3 + 2 * (len(run.candidates) - 1))
    # Folded as its subnets are: spectral norm would be computed anew in every timed run.
    folded, _ = plain_copy(run.teacher, ())
    teacher = measured(run, TEACHER, folded, costs=run.teacher_costs, identity=TEACHER)
    before = measured_package(run, "chosen, from the supernet", exported)
    after = measured_package(run, "chosen, fine-tuned", finetuned)
    others = _other_finalists(run)
    baseline = measured_baseline(run)
    real = measured_against_truth(
        run,
        {
            TEACHER: (TEACHER, folded),
            before.name: (identity_of(exported), exported.module),
            after.name: (identity_of(finetuned), finetuned.module),
        },
    )
    baselines = (*others, *(() if baseline is None else (baseline,)), *real)
    run.progress.update(3 + len(others))
    rows = []
    for place, member in enumerate(sorted(members, key=lambda one: -one.costs["macs"]), start=4 + len(others)):
        name, costs = member.candidate.hash, run.costs.costs(member.candidate)
        rows.append(measured(run, name, run.subnet(member.candidate), costs=costs, identity=name))
        run.progress.update(place)
    report = Report(
        experiment=run.experiment.name,
        rows=(teacher, before, after, *baselines),
        front=tuple(rows),
        chosen=str(run.finetuned),
        notes=choice_notes(run) + notes(run, split="test", rows=(teacher, before, after, *baselines, *rows)),
        made_from=_made_from(run),
    )
    picked = {one.candidate.hash: one.candidate for one in spread(members, MEMBERS)}
    pictures = [(row, subnet(run, picked[row.name])) for row in rows if row.name in picked]
    pictures.append((after, generating(finetuned.module, run.device)))
    explanations = explain_in_report(run)
    grid = directory / "grid.png"
    draw_grid(run, grid, teacher=teacher, members=pictures, split="test", baseline=baseline)
    write_report(
        directory,
        experiment=run.experiment,
        evaluations=evaluations,
        rows=(teacher, before, after, *baselines, *rows),
        provenance=run.judge.provenance(run.data.test, None),
        command=f"autogc run {run.directory / EXPERIMENT} --run-dir {run.directory}",
        latency=latency_notes(run, (teacher, before, after, *baselines, *rows)),
        choice=choice_notes(run),
        grid=grid,
        teacher=teacher_on_validation(run).values(),
        reference=run.tracker.reference,
        captions={figure_of(one.score): caption(one) for one in explanations},
    )
    report.write(directory / REPORT)
    run.tracker.artifact(directory, under="report")
    write_json(directory / "result.json", _made_from(run))


def _other_finalists(run: Run) -> tuple[SubnetRow, ...]:
    """Return the rows of the finalists that were not chosen, each out of the supernet and fine-tuned."""
    rows = []
    for name in run.candidates:
        if name == run.chosen:
            continue
        for stage, how in (("export", "from the supernet"), ("finetune", "fine-tuned")):
            package = load_package(run.stage_directory(stage) / name, source=run.experiment.generator.source)
            rows.append(measured_package(run, f"finalist {name[:8]}, {how}", package))
    return tuple(rows)


def _made_from(run: Run) -> dict[str, object]:
    """What the report is of: another search or another choice makes another report."""
    several = {"finalists": list(run.candidates)} if len(run.candidates) > 1 else {}
    final = run.result("finetune") if chosen_afterwards(run) else None
    return {
        **several,
        **({} if final is None else {"choice": final["why"]}),
        "evaluations": len(run.evaluations),
        "finetuned": run.finetuned.name,
        "manifest": _hash(run.finetuned / "manifest.json"),
    }


def _hash(path: Path) -> str | None:
    return sha256_file(path) if path.is_file() else None


def _done(run: Run) -> bool:
    result = run.result("report")
    return result is not None and run.result("export") is not None and result == _made_from(run)


STAGE = Stage(
    name="report",
    needs=("teacher", "supernet", "search", "export", "finetune"),
    done=_done,
    run=_report,
    outlook=lambda run: "done" if _done(run) else "score and time the teacher, the chosen subnet and the front on the test split",
)
