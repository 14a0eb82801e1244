"""The export: the chosen subnet as a package, checked against the supernet and against fvcore."""

from __future__ import annotations

from pathlib import Path

from autogc.errors import MissingStageError, RunDirectoryError
from autogc.export import verify_package, write_package
from autogc.export.package import MANIFEST
from autogc.files import write_json
from autogc.models import completed
from autogc.pipeline.run import EXPERIMENT, Run
from autogc.pipeline.stage import Stage
from autogc.pipeline.timing import latency_of
from autogc.search import pick as pick_evaluation
from autogc.supernet.statistics import statistics_of
from autogc.training.stage import example_input, given_to_generator


def export_subnet(run: Run, *, pick: str | None = None, directory: str | Path | None = None) -> Path:
    """Write one subnet of the run's search as a package, and verify it; return where.

    ``pick`` is ``knee``, ``best``, ``smallest`` or the first digits of a candidate's hash; what the experiment says by default.
    The package's scores are the search's (validation split). Raises MissingStageError where nothing was searched yet, RunDirectoryError
    where ``directory`` holds anything but a package, which would be lost.
    """
    evaluations = run.evaluations
    if not evaluations:
        first = f"autogc run {run.directory / EXPERIMENT} --run-dir {run.directory} --until search"
        raise MissingStageError(f"{run.directory} has no evaluations to export one of; first: {first}")
    search = run.experiment.search
    chosen = pick_evaluation(evaluations, search.objectives, pick or run.experiment.export.pick, constraints=search.constraints)
    own = run.stage_directory("export") / chosen.candidate.hash
    if directory is None and own.is_dir():
        # A fine-tuning of it may be under way, which goes on from these very files; and whoever wrote it may have been killed then.
        _verify(run, own)
        return own
    directory = own if directory is None else Path(directory)
    if directory.is_dir() and any(directory.iterdir()) and not (directory / MANIFEST).is_file():
        raise RunDirectoryError(
            f"{directory} holds something that is no package, and would be replaced: name a directory that is not there"
        )
    example = example_input(run.data)
    subnet = run.subnet(chosen.candidate)
    latency = latency_of(run, chosen.candidate.hash, lambda: subnet)
    write_package(
        directory,
        supernet=run.supernet,
        candidate=chosen.candidate,
        generator=completed(run.experiment.generator, **given_to_generator(run.data)),
        input_shape=tuple(example.shape),
        costs={**run.costs.costs(chosen.candidate), "latency_ms": latency.median_ms},
        scores=chosen.scores,
        experiment=run.experiment.model_dump(mode="json"),
        provenance={**chosen.provenance, "latency": latency.to_json()},
        statistics=statistics_of(subnet),
    )
    _verify(run, directory)
    return directory


def _verify(run: Run, directory: Path) -> None:
    """Compare a package with the supernet and its MACs with fvcore's. Raises CheckpointError with every mismatch."""
    # As many as two of one size: pictures of super-resolution are of different ones.
    images = next(run.data.validation.batches(2)).input
    supernet = run.supernet.to(run.device)
    verify_package(directory, images.to(run.device), supernet=supernet, source=run.experiment.generator.source)


def export_chosen(run: Run) -> Path:
    """Export the subnet that the experiment's ``export.pick`` names, which the stages after this one go on with; return where."""
    directory = export_subnet(run)
    write_json(run.stage_directory("export") / "result.json", {**_made_from(run), "candidate": directory.name})
    return directory


def _export(run: Run) -> None:
    export_chosen(run)


def _made_from(run: Run) -> dict[str, object]:
    return {"pick": run.experiment.export.pick, "evaluations": len(run.evaluations)}


def _done(run: Run) -> bool:
    result = run.result("export")
    return result is not None and all(result[name] == value for name, value in _made_from(run).items())


def _outlook(run: Run) -> str:
    if _done(run):
        return f"done: {run.exported.name}"
    return f"the subnet that {run.experiment.export.pick!r} names"


STAGE = Stage(name="export", needs=("supernet", "search"), done=_done, run=_export, outlook=_outlook)
