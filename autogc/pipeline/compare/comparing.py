"""The comparison of one run, or of several together: what is trained, in which order, and what is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autogc.config.load import CHANGEABLE, diff_experiments
from autogc.errors import ConfigError, MissingStageError
from autogc.export import load_package
from autogc.files import read_json
from autogc.pipeline.compare.comparison import COMPARISON, OTHERS, Comparison, Outcome, Ranking
from autogc.pipeline.compare.contenders import place, scored, train, trained_seeds
from autogc.pipeline.compare.ranking import WAYS, rank
from autogc.pipeline.compare.uniform import Uniform, uniform_of, write_uniform
from autogc.pipeline.compare.verdict import verdict
from autogc.pipeline.compare.write import draw_pictures, write_comparison
from autogc.pipeline.job import find_stage
from autogc.pipeline.run import EXPERIMENT
from autogc.pipeline.score import identity_of, measured, measured_package, notes
from autogc.supernet.conversion import plain_copy
from autogc.tracking.album import GRID_PNG
from autogc.tracking.table import TEACHER, SubnetRow

if TYPE_CHECKING:
    from autogc.pipeline.run import Run

COMPARE = "compare"
RANKING = "ranking"
PARTS = (*OTHERS, RANKING)
NEEDS = ("teacher", "supernet", "search", "export", "finetune")


@dataclass(frozen=True)
class Asked:
    """What to train: ``seeds`` of each of the ``parts`` in ``OTHERS``; for the ranking ``candidates`` of the search, for ``ranking_steps``
    each (the supernet's by default), in one of ``WAYS``."""

    parts: tuple[str, ...] = PARTS
    seeds: int = 1
    candidates: int = 12
    ranking_steps: int | None = None
    ranking_way: str = WAYS[0]


def compare(runs: Sequence[Run], asked: Asked | None = None) -> Comparison:
    """Train what is asked for and is not there yet, score it on the test split, write the comparison, and return it.

    One run's is in ``RUN/compare``; of several, which must be of one experiment but for the seed, each has its own and the first has them
    all together in ``RUN/compare/pooled``. Everything that an earlier call trained is part of it. Raises MissingStageError where a run is
    not finished, ConfigError where runs do not belong together.
    """
    asked = asked or Asked()
    for run in runs:
        _check_finished(run)
    _check_together(runs)
    outcomes = []
    for run in runs:
        directory = run.directory / COMPARE
        run.progress.note(f"compare: {run.directory}: {_outlook(run, asked)}, less what is there already")
        outcome = _outcome(run, directory, asked)
        _write(run, directory, outcome)  # before the ranking, which may take long
        if RANKING in asked.parts:
            steps = _ranking_steps(run, asked)
            ranking = rank(run, directory / RANKING, count=asked.candidates, steps=steps, way=asked.ranking_way)
            outcome = replace(outcome, ranking=ranking)
            _write(run, directory, outcome)
        _track(run, outcome)
        outcomes.append(outcome)
    if len(runs) == 1:
        return Comparison(runs[0].directory / COMPARE, tuple(outcomes))
    pooled = Comparison(runs[0].directory / COMPARE / "pooled", tuple(outcomes))
    write_comparison(pooled, verdict(outcomes), tracker=runs[0].tracker)
    return pooled


def _outlook(run: Run, asked: Asked) -> str:
    """Return what there is to train in all: ``3 trainings of 1200 steps and, for the ranking, 12 of 800``."""
    others = asked.seeds * sum(kind in asked.parts for kind in OTHERS)
    said = [f"{others} trainings of {_whole(run)} steps"] if others else []
    if RANKING in asked.parts:
        said.append(f"for the ranking {asked.candidates} of {_ranking_steps(run, asked)} steps")
    return " and ".join(said)


def _whole(run: Run) -> int:
    """The steps of each of the others: those that the chosen subnet's weights were trained with."""
    return run.experiment.supernet.steps + run.experiment.finetune.steps


def _ranking_steps(run: Run, asked: Asked) -> int:
    return asked.ranking_steps or run.experiment.supernet.steps


def _write(run: Run, directory: Path, outcome: Outcome) -> None:
    draw_pictures(run, directory / GRID_PNG, outcome, packages=_pictured(run, directory, outcome))
    write_comparison(Comparison(directory, (outcome,)), verdict([outcome]), tracker=run.tracker)


def _outcome(run: Run, directory: Path, asked: Asked) -> Outcome:
    experiment, source = run.experiment, run.experiment.generator.source
    exported, finetuned = load_package(run.exported, source=source), load_package(run.finetuned, source=source)
    run.progress.start("compare: scoring the teacher and the chosen subnet on the test split", total=3)
    folded, _ = plain_copy(run.teacher, ())
    teacher = measured(run, TEACHER, folded, costs=run.teacher_costs, identity=TEACHER)
    run.progress.update(1)
    before = measured_package(run, "chosen, from the supernet", exported)
    run.progress.update(2)
    after = measured_package(run, "chosen, fine-tuned", finetuned)
    run.progress.update(3)
    hash_ = run.exported.name
    uniform = uniform_of(run, exported.costs["macs"], directory / "uniform" / f"for-{hash_}.json")
    steps = _whole(run)
    others: dict[str, dict[int, SubnetRow]] = {}
    for kind in OTHERS:
        where = _where(directory, kind, uniform, hash_)
        latency = f"uniform-{uniform.slug}" if kind == "uniform" else identity_of(finetuned)
        if kind in asked.parts:
            package = write_uniform(run, uniform, where / "package") if kind == "uniform" else run.exported
            for seed in range(experiment.seed, experiment.seed + asked.seeds):
                run.progress.note(f"compare: {OTHERS[kind]}, seed {seed}: {steps} steps")
                out = place(where, steps=steps, seed=seed)
                tracked = run.tracked_progress(f"{COMPARE}-{kind}-{seed}")
                if train(run, kind, package, out, steps=steps, seed=seed, progress=tracked):
                    scored(run, kind, out, latency=latency)
        rows = {seed: scored(run, _name(kind, uniform), path, latency=latency) for seed, path in trained_seeds(where, steps=steps)}
        if rows:
            others[kind] = rows
    said = (*_said(experiment.supernet.steps, experiment.finetune.steps, others, uniform), *notes(run, split="test"))
    return Outcome(
        run=str(run.directory),
        seed=experiment.seed,
        chosen=hash_,
        objectives=tuple(name for name in experiment.search.objectives if name in after.scores),
        supernet_steps=experiment.supernet.steps,
        finetune_steps=experiment.finetune.steps,
        teacher=teacher,
        before=before,
        after=after,
        others=others,
        uniform=asdict(uniform),
        ranking=_earlier_ranking(directory),
        notes=said,
    )


def _where(directory: Path, kind: str, uniform: Uniform, chosen: str) -> Path:
    """Return where the trainings of one of ``OTHERS`` are."""
    return directory / kind / (uniform.slug if kind == "uniform" else chosen)


def _name(kind: str, uniform: Uniform) -> str:
    return {
        "uniform": f"uniformly narrower ({uniform.label})",
        "scratch": "same architecture, from scratch",
        "alone": "same architecture, distilled alone",
    }[kind]


def _said(supernet_steps: int, finetune_steps: int, others: dict[str, dict[int, SubnetRow]], uniform: Uniform) -> list[str]:
    if not others:
        return []
    said = [
        f"Each of those it is compared with was trained for {supernet_steps + finetune_steps} steps from fresh weights, as many as the "
        f"supernet ({supernet_steps}) and fine-tuning ({finetune_steps}) took together, at the supernet's batch size and rates, with a "
        "schedule over all of them: from scratch and uniformly narrower on the teacher's objective, distilled alone on the student's, "
        "with the teacher, from its discriminator."
    ]
    if "uniform" in others:
        said.append(uniform.note)
    if any(len(rows) > 1 for rows in others.values()):
        said.append("Of several seeds the table has the mean of each score and, in brackets, the lowest and the highest.")
    return said


def _earlier_ranking(directory: Path) -> Ranking | None:
    """Return the ranking that an earlier call wrote."""
    path = directory / COMPARISON
    kept = read_json(path)["runs"][0]["ranking"] if path.is_file() else None
    return None if kept is None else Ranking.from_json(kept)


def _pictured(run: Run, directory: Path, outcome: Outcome) -> dict[str, Path]:
    """Return the packages whose pictures are shown, by the name of their column: of several seeds the first."""
    assert outcome.uniform is not None
    uniform = uniform_of(run, outcome.uniform["wanted"], directory / "uniform" / f"for-{outcome.chosen}.json")
    found = {}
    for kind, rows in outcome.others.items():
        where = _where(directory, kind, uniform, outcome.chosen)
        found[kind] = place(where, steps=outcome.steps, seed=min(rows))
    return found


def _track(run: Run, outcome: Outcome) -> None:
    """Send the scores to the run in MLflow, a curve over seeds for each of the others; and tau."""
    for kind, rows in outcome.others.items():
        for seed, row in rows.items():
            run.tracker.metrics(f"{COMPARE}/{kind}", seed, row.scores)
    run.tracker.metrics(f"{COMPARE}/chosen", outcome.seed, outcome.after.scores)
    if outcome.ranking is not None:
        for score in outcome.ranking.scores:
            found = {
                "tau": outcome.ranking.tau(score),
                "tau_cheapest_quarter": outcome.ranking.tau(score, cheapest_quarter=True),
            }
            known = {name: value for name, value in found.items() if value is not None}
            run.tracker.metrics(f"{COMPARE}/ranking/{score}", outcome.seed, known)


def _check_finished(run: Run) -> None:
    for needed in NEEDS:
        if not find_stage(needed).done(run):
            raise MissingStageError(
                f"compare needs the result of {needed}, which {run.directory} does not have (or not whole); "
                f"first: autogc run {run.directory / EXPERIMENT} --run-dir {run.directory}"
            )


def _check_together(runs: Sequence[Run]) -> None:
    """Raise ConfigError where runs are of experiments that differ in more than the seed."""
    first, problems = runs[0], []
    for run in runs[1:]:
        differing = diff_experiments(first.experiment, run.experiment, ignore=(*CHANGEABLE, "seed", "name"))
        problems += [f"{run.directory} is not comparable with {first.directory}: {one}" for one in differing]
    if problems:
        raise ConfigError(problems, source="autogc compare")
