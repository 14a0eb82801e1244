"""The main job: the stages one after the other, each where its result is not there yet."""

from __future__ import annotations

from pathlib import Path

from autogc.errors import ConfigError, MissingStageError, RunDirectoryError, nearest
from autogc.pipeline.check import check
from autogc.pipeline.pictures import draw_front
from autogc.pipeline.report import Report
from autogc.pipeline.run import EXPERIMENT, Run, has_study
from autogc.pipeline.stage import Stage
from autogc.pipeline.stages import STAGES
from autogc.tracking import Tracker


def run_stages(run: Run, *, until: str = "report") -> Report | None:
    """Do every stage up to ``until`` that is not done; return the report, or None where the job ends before it.

    Everything that can be wrong with the experiment is checked before the first stage that has something to do.
    """
    wanted = STAGES[: STAGES.index(find_stage(until)) + 1]
    if not all(stage.done(run) for stage in wanted):
        _prepare(run)
    unsettled = Tracker.unsettled(run.directory)
    for stage in wanted:
        _do(run, stage)
    if unsettled:
        _track_again(run)
    return Report.of(run.directory) if until == "report" else None


def _prepare(run: Run) -> None:
    """Check everything that can be wrong, and fetch what scores will need: not after hours of training, when the network is away."""
    for weights in check(run.experiment, progress=run.progress, begun=has_study(run.directory)).downloads:
        weights.fetch(run.progress)


def _track_again(run: Run) -> None:
    """Bring MLflow up to date after a kill, or after its server was away: what it has stays as it is."""
    if run.evaluations:
        run.tracker.sync(run.evaluations)
        draw_front(run, run.evaluations)
    if find_stage("report").done(run):
        run.tracker.artifact(run.stage_directory("report"), under="report")


def run_stage(run: Run, name: str) -> Report | None:
    """Do one stage, where it is not done. Raises MissingStageError, naming the command to run first, where what it needs is missing."""
    stage = find_stage(name)
    for needed in stage.needs:
        if not find_stage(needed).done(run):
            raise MissingStageError(
                f"{name} needs the result of {needed}, which {run.directory} does not have (or not whole); "
                f"first: autogc run {run.directory / EXPERIMENT} --run-dir {run.directory} --until {needed}"
            )
    if not stage.done(run):
        _prepare(run)
    _do(run, stage)
    return Report.of(run.directory) if name == "report" else None


def find_stage(name: str) -> Stage:
    """Return the stage of that name. Raises ConfigError for another name."""
    found = {stage.name: stage for stage in STAGES}
    if name not in found:
        raise ConfigError(f"no stage named {name!r}; {nearest(name, found)}", source="stage")
    return found[name]


def run_of(package: str | Path) -> Path:
    """Return the run directory that a package lies in (``RUN/export/HASH``). Raises RunDirectoryError where it lies in none."""
    package = Path(package).resolve()
    for parent in package.parents:
        if (parent / EXPERIMENT).is_file():
            return parent
    raise RunDirectoryError(f"{package} lies in no run directory, so say which run it came from: --run RUN")


def _do(run: Run, stage: Stage) -> None:
    if stage.done(run):
        run.progress.note(f"{stage.name}: {stage.outlook(run)}")
    else:
        stage.run(run)
        assert stage.done(run), f"{stage.name} ended without its result"
