"""Latency in the search: predicted before a candidate is evaluated, measured end to end before it is reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autogc.config.experiment import Experiment
from autogc.cost import CostModel, Latency, TimedCostModel
from autogc.cost.latency import LatencyTable, Setting, build_latency_table, predictor_from
from autogc.pipeline.timing import latency_of, measured_latencies
from autogc.search import Evaluation, front

if TYPE_CHECKING:
    from autogc.pipeline.run import Run
    from autogc.supernet.space import Space
    from autogc.supernet.supernet import Supernet

COST = "latency_ms"
TABLE = "latency_table.json"


def is_searched(experiment: Experiment) -> bool:
    """Return whether the search needs to know latencies."""
    return COST in (*experiment.search.objectives, *experiment.search.constraints)


def check_table(experiment: Experiment) -> None:
    """Read the latency table that the experiment names. Raises ConfigError where it is none, or of other settings than here."""
    config = experiment.scores.latency
    if config.table is not None:
        LatencyTable.read(config.table).check(Setting.here(config), config.table)


def known_costs(experiment: Experiment, supernet: Supernet, space: Space) -> CostModel:
    """Return the costs with what is known of latency: predicted where the experiment's table has this space already. Measures nothing."""
    config = experiment.scores.latency
    if is_searched(experiment) and config.table is not None:
        predictor = predictor_from(config.table, supernet, space, config)
        if predictor is not None:
            return TimedCostModel(supernet, space, predictor)
    return CostModel(supernet, space)


def searched_costs(run: Run) -> CostModel:
    """Return the costs that the search goes by; where latency is among them, its predictor is built first, or what is missing of it.

    The run keeps a table of its own (``search/latency_table.json``), which begins with the experiment's; a build that was cut off goes on.
    """
    if not is_searched(run.experiment):
        return run.costs
    config = run.experiment.scores.latency
    predictor = build_latency_table(
        run.supernet,
        run.space,
        config,
        path=run.stage_directory("search") / TABLE,
        start=LatencyTable.read(config.table) if config.table is not None else None,
        progress=run.progress,
        seed=run.experiment.seed,
    )
    return TimedCostModel(run.supernet, run.space, predictor)


def measure_front(run: Run) -> None:
    """Measure every member of the front that only has a predicted latency, and again those that are members then, until none is left."""
    search = run.experiment.search
    while True:
        members = front(run.evaluations, search.objectives, search.constraints)
        unmeasured = [member for member in members if is_predicted(member)]
        if not unmeasured:
            break
        run.progress.start("latency: measuring the front", total=len(unmeasured))
        for place, member in enumerate(unmeasured, start=1):
            candidate = member.candidate
            latency = latency_of(run, candidate.hash, lambda candidate=candidate: run.subnet(candidate))  # type: ignore[misc]
            limit = search.constraints.get(COST)
            if limit is not None and latency.median_ms > limit:
                run.progress.note(
                    f"{candidate.hash} takes {latency.median_ms:.3g} ms, predicted {member.costs[COST]:.3g}: over the limit of {limit:g}"
                )
            run.progress.update(place)
    for evaluation in run.evaluations:
        if COST in evaluation.costs and not is_predicted(evaluation):
            run.tracker.measured(evaluation)


def is_predicted(evaluation: Evaluation) -> bool:
    """Return whether an evaluation's latency is a prediction."""
    return bool(evaluation.provenance.get("latency", {}).get("predicted", False))


def with_measured(evaluations: list[Evaluation], directory: Path) -> list[Evaluation]:
    """Return the evaluations with measured latencies in the place of predicted ones, where the run directory has them."""
    if not any(is_predicted(one) for one in evaluations):
        return evaluations
    measured = measured_latencies(directory)
    known = {one.trial: measured.get(one.candidate.hash) for one in evaluations if is_predicted(one)}
    return [one if (latency := known.get(one.trial)) is None else _with(one, latency) for one in evaluations]


def _with(evaluation: Evaluation, latency: Latency) -> Evaluation:
    said: Mapping[str, Any] = {**latency.to_json(), "predicted": False, "predicted_ms": evaluation.costs[COST]}
    costs = {**evaluation.costs, COST: latency.median_ms}
    return replace(evaluation, costs=costs, provenance={**evaluation.provenance, "latency": dict(said)})
