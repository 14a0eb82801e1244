"""Does the supernet order candidates as training would? A few of them, trained each on their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autogc.errors import MissingStageError
from autogc.export import load_package, write_package
from autogc.export.package import MANIFEST
from autogc.files import read_json, sha256_file, write_json
from autogc.metrics.catalogue import METRICS
from autogc.models import completed
from autogc.pipeline.compare.comparison import QUARTER, TENTH, Ranked, Ranking
from autogc.pipeline.compare.contenders import place, train
from autogc.pipeline.score import generating
from autogc.search import Evaluation, front
from autogc.supernet.statistics import statistics_of
from autogc.training.stage import example_input, given_to_generator

if TYPE_CHECKING:
    from autogc.pipeline.run import Run

WAYS = ("alone", "finetuned")


def rank(run: Run, directory: Path, *, count: int, steps: int, way: str) -> Ranking:
    """Train ``count`` candidates of the search for ``steps`` steps each, ``way`` says how; compare their scores with the search's.

    Both scores are of the validation images that the search scored on. What is trained is kept under ``directory``, so that more
    candidates only add to it. Raises MissingStageError where the search has no two candidates.
    """
    search = run.experiment.search
    complete = [one for one in run.evaluations if one.state == "complete"]
    if len(complete) < 2:
        raise MissingStageError(f"{run.directory} has {len(complete)} scored candidates, and a ranking needs two; search on first")
    members = front(complete, search.objectives, search.constraints)
    cheapest = sorted(complete, key=_by_cost)
    quarter, tenth = ({one.candidate.hash for one in cheapest[: _share(len(cheapest), share)]} for share in (QUARTER, TENTH))
    chosen = spread_over_cost(complete, {one.candidate.hash for one in members}, count)
    ranked = []
    for number, evaluation in enumerate(chosen, start=1):
        name = evaluation.candidate.hash
        run.progress.note(f"compare: ranking, candidate {number} of {len(chosen)}: {name}")
        trained = place(directory / way / name, steps=steps, seed=run.experiment.seed)
        package = _packaged(run, evaluation, directory / "candidates" / name)
        if not train(run, way, package, trained, steps=steps, seed=run.experiment.seed, progress=run.progress):
            continue
        supernet = {score: value for score, value in evaluation.scores.items() if score in METRICS}
        after = _scores(run, trained, tuple(supernet))
        ranked.append(Ranked(name, evaluation.costs["macs"], supernet, after, quarter=name in quarter, tenth=name in tenth))
    ranked.sort(key=lambda one: (one.macs, one.candidate))
    return Ranking(way=way, steps=steps, images=search.images, members=tuple(ranked))


def spread_over_cost(evaluations: Sequence[Evaluation], members: set[str], count: int) -> list[Evaluation]:
    """Return ``count`` evaluations (all, where there are fewer) spread over their rank by cost, half of them in the cheapest quarter.

    Every other one is of the front (``members`` are its hashes), as long as it has any left. The first ``n`` of more are those of ``n``,
    so that asking for more adds to what is there: each is the one farthest from those that were taken before it, of places whose square
    root is even.
    """
    ordered = sorted(evaluations, key=_by_cost)
    places = np.sqrt(np.arange(len(ordered)) / max(1, len(ordered) - 1))
    left, taken = list(range(len(ordered))), list[int]()
    while left and len(taken) < count:
        among = [index for index in left if ordered[index].candidate.hash in members] if len(taken) % 2 == 0 else []
        among = among or left
        farthest = max(
            among, key=lambda index: (min((abs(places[index] - places[other]) for other in taken), default=-places[index]), -index)
        )
        taken.append(farthest)
        left.remove(farthest)
    return [ordered[index] for index in taken]


def _by_cost(evaluation: Evaluation) -> tuple[float, str]:
    return evaluation.costs["macs"], evaluation.candidate.hash


def _share(count: int, share: float) -> int:
    return max(1, round(count * share))


def _packaged(run: Run, evaluation: Evaluation, directory: Path) -> Path:
    """Write a candidate of the search as a package, neither verified nor timed: it is only trained from."""
    if not (directory / MANIFEST).is_file():
        write_package(
            directory,
            supernet=run.supernet,
            candidate=evaluation.candidate,
            generator=completed(run.experiment.generator, **given_to_generator(run.data)),
            input_shape=tuple(example_input(run.data).shape),
            costs=run.costs.costs(evaluation.candidate),
            scores=evaluation.scores,
            experiment=run.experiment.model_dump(mode="json"),
            provenance=evaluation.provenance,
            statistics=statistics_of(run.subnet(evaluation.candidate)),
        )
    return directory


def _scores(run: Run, directory: Path, metrics: tuple[str, ...]) -> dict[str, float]:
    """Score a trained candidate on the search's validation images once, and keep that beside it."""
    weights, path = sha256_file(directory / "weights.safetensors"), directory / "validation.json"
    kept = read_json(path) if path.is_file() else None
    if kept is None or kept["weights"] != weights or set(kept["scores"]) != set(metrics):
        generate = generating(load_package(directory, source=run.experiment.generator.source).module, run.device)
        judged = run.judge.score(generate, run.data.validation, metrics=metrics, images=run.experiment.search.images)
        kept = {"weights": weights, "scores": dict(judged.scores)}
        write_json(path, kept)
    scores: dict[str, float] = kept["scores"]
    return scores
