"""The search: subnets evaluated until there are as many evaluations as the experiment wants."""

from __future__ import annotations

from autogc.files import write_json
from autogc.pipeline.choice import wanted_limits
from autogc.pipeline.intervals import tell_intervals
from autogc.pipeline.latency import measure_front, searched_costs
from autogc.pipeline.pictures import draw_front
from autogc.pipeline.run import Run
from autogc.pipeline.stage import Stage
from autogc.search import Evaluation


def _search(run: Run) -> None:
    from autogc.search import run_search  # Ray, which takes its time to import

    directory = run.stage_directory("search")
    wanted_limits(run)  # refused before the search where they say nothing
    costs = searched_costs(run)
    evaluations = list(run.evaluations)
    run.tracker.sync(evaluations)

    def on_evaluation(evaluation: Evaluation) -> None:
        evaluations.append(evaluation)
        run.tracker.evaluation(evaluation)
        if len(evaluations) % run.experiment.tracking.refresh_every == 0:
            draw_front(run, evaluations)

    run_search(
        run.experiment,
        supernet=run.supernet,
        space=run.space,
        costs=costs,
        judge=run.judge,
        data=run.data,
        directory=directory,
        address=run.address,
        on_evaluation=on_evaluation,
        progress=run.tracked_progress("search"),
    )
    measure_front(run)
    tell_intervals(run)
    found = run.evaluations
    draw_front(run, found)
    # A space with fewer feasible candidates than were asked for is done all the same.
    asked = run.experiment.search.evaluations
    complete = sum(one.state == "complete" for one in found)
    intervals = run.experiment.search.intervals
    write_json(directory / "result.json", {"asked": asked, "evaluations": len(found), "complete": complete, "intervals": intervals})


def _done(run: Run) -> bool:
    result, search = run.result("search"), run.experiment.search
    if result is None or (search.intervals and result.get("intervals", search.intervals) != search.intervals):
        return False
    return bool(max(result["evaluations"], result.get("asked", 0)) >= search.evaluations)


def _outlook(run: Run) -> str:
    wanted, there = run.experiment.search.evaluations, len(run.evaluations)
    if _done(run):
        return f"done: {there} evaluations"
    return f"continue: {wanted - there} evaluations after the {there} that are there" if there else f"{wanted} evaluations"


STAGE = Stage(name="search", needs=("supernet",), done=_done, run=_search, outlook=_outlook)
