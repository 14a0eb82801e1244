"""The export: the chosen subnet as a package, checked against the supernet and against fvcore."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path

from autogc.config.experiment import SCORES
from autogc.config.pick import Pick, parse_pick, pick_text
from autogc.errors import AutogcError, MissingStageError, RunDirectoryError
from autogc.export import verify_package, write_package
from autogc.export.package import MANIFEST
from autogc.files import write_json
from autogc.models import completed
from autogc.pipeline.choice import considered, told_of
from autogc.pipeline.run import EXPERIMENT, Run
from autogc.pipeline.stage import Stage
from autogc.pipeline.timing import latency_of
from autogc.search import Evaluation, choose, finalists
from autogc.search.pareto import value_of
from autogc.supernet.statistics import statistics_of
from autogc.training.stage import example_input, given_to_generator


def export_subnet(
    run: Run, *, pick: Pick | None = None, within: Mapping[str, float] | None = None, directory: str | Path | None = None
) -> Path:
    """Write one subnet of the run's search as a package, and verify it; return where.

    ``pick`` is ``knee``, ``best``, ``smallest``, the first digits of a candidate's hash, or limits on scores such as ``{"fid": "10%"}``;
    what the experiment says by default. ``within`` are limits on costs, such as ``{"macs": 17e6}``, beside the search's own: what costs
    more is left out of the choice, and a hash that costs more is refused. What was chosen and why, or by how much the nearest misses, is
    told to the run's progress.
    The package's scores are the search's (validation split). Raises MissingStageError where nothing was searched yet, RunDirectoryError
    where ``directory`` holds anything but a package, which would be lost, AutogcError where there is nothing that ``pick`` could mean, or
    no evaluation has a cost that ``within`` names.
    """
    pick = run.experiment.export.pick if pick is None else parse_pick(pick, scores=SCORES)
    known = considered(run, pick)
    evaluations = _searched(run)
    for name, limit in (within or {}).items():
        if not any(isfinite(value_of(one, name)) for one in evaluations):
            raise AutogcError(f"within {name}: no evaluation of this search has one; only a search by {name} does")
        known["constraints"] = {**known["constraints"], name: min(limit, known["constraints"].get(name, limit))}
    choice = choose(evaluations, run.experiment.search.objectives, pick, **known)
    for name, limit in (within or {}).items():  # A hash names any candidate, whatever the limits.
        if not (cost := value_of(choice.evaluation, name)) <= limit:
            raise AutogcError(
                f"{choice.evaluation.candidate.hash} costs {name} {cost:,.10g}, more than the {limit:,.10g} it is to stay within"
            )
    run.progress.note(f"export: {choice.why}")
    return _write(run, choice.evaluation, directory)


def _searched(run: Run) -> list[Evaluation]:
    evaluations = run.evaluations
    if not evaluations:
        first = f"autogc run {run.directory / EXPERIMENT} --run-dir {run.directory} --until search"
        raise MissingStageError(f"{run.directory} has no evaluations to export one of; first: {first}")
    return evaluations


def _write(run: Run, chosen: Evaluation, directory: str | Path | None = None) -> Path:
    """Write an evaluation's subnet as a package, and verify it; return where."""
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
    """Export what the experiment's ``export`` names: the chosen subnet and, with ``finalists``, the others that are fine-tuned before the
    choice is made. The stages after this one go on with them. Returns where the first is."""
    export, evaluations = run.experiment.export, _searched(run)
    objectives, known = run.experiment.search.objectives, considered(run, export.pick)
    choice = choose(evaluations, objectives, export.pick, **known)
    run.progress.note(f"export: {choice.why}")
    exported = [_write(run, one) for one in finalists(evaluations, objectives, export.pick, export.finalists, **known)]
    names = [directory.name for directory in exported]
    if len(names) > 1:
        run.progress.note(f"export: {len(names)} finalists, chosen from when they are fine-tuned: {', '.join(names)}")
    told = {"candidate": names[0], "candidates": names, **told_of(choice)}
    write_json(run.stage_directory("export") / "result.json", {**_made_from(run), **told})
    return exported[0]


def _export(run: Run) -> None:
    export_chosen(run)


def _made_from(run: Run) -> dict[str, object]:
    export = run.experiment.export
    several = {"finalists": export.finalists} if export.finalists > 1 else {}
    return {"pick": export.pick, "evaluations": len(run.evaluations), **several}


def _done(run: Run) -> bool:
    result = run.result("export")
    # Of earlier versions too, which knew no finalists.
    same = result is not None and result.get("finalists", 1) == run.experiment.export.finalists
    return same and all(result[name] == value for name, value in _made_from(run).items())


def _outlook(run: Run) -> str:
    if _done(run):
        return f"done: {', '.join(run.candidates)}"
    export = run.experiment.export
    several = f", and {export.finalists - 1} more to choose from after fine-tuning" if export.finalists > 1 else ""
    return f"the subnet that {pick_text(export.pick)!r} names{several}"


STAGE = Stage(name="export", needs=("supernet", "search"), done=_done, run=_export, outlook=_outlook)
