from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulation import SimulatedEvaluator, Simulation, limit_at

from autogc.cost import CostModel
from autogc.errors import ConfigError
from autogc.search.encoding import Encoding
from autogc.search.ledger import Evaluation
from autogc.search.pareto import hypervolume, minimized_values
from autogc.search.past import Past
from autogc.search.screening import Bar
from autogc.supernet import Candidate, Space

Simulate = Callable[..., Simulation]
OBJECTIVES = ("fid", "macs")


@dataclass
class OtherData(SimulatedEvaluator):
    """Another data set: the same decisions matter, the distances are others."""

    def evaluate(self, candidate: Candidate, bar: Bar | None = None) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
        scores, costs, provenance = super().evaluate(candidate, bar)
        return {"fid": 7.0 + 2.5 * scores["fid"]}, costs, provenance


@pytest.fixture
def finished(simulate: Simulate, tmp_path: Path) -> Path:
    """The run directory of a search on other data."""
    simulation = simulate(sampler={"name": "gp"}, evaluations=30, directory="other/search", evaluator=OtherData())
    simulation.run()
    return tmp_path / "other"


def reached(evaluations: list[Evaluation], costs: CostModel) -> float:
    most = float(np.log(costs.costs_of(np.zeros((1, len(costs.space.decisions)), dtype=np.int64))["macs"][0]))
    values = minimized_values(evaluations, OBJECTIVES)
    return hypervolume(np.stack([values[:, 0], np.log(values[:, 1])], axis=1), np.array([120.0, most + 0.1]))


def test_the_other_front_is_tried_first_and_teaches(simulate: Simulate, finished: Path, costs: CostModel) -> None:
    config = {"sampler": {"name": "gp"}, "evaluations": 14}
    alone = simulate(directory="alone", **config).run().evaluations
    taught = simulate(directory="taught", start_from=str(finished), **config).run().evaluations
    past = Past.read(finished, Encoding(costs.space), OBJECTIVES)
    members = {costs.space.candidate(costs.space.genotype(past.rows[place])).hash for place in past.front}
    assert {one.candidate.hash for one in taught[2:6]} <= members
    assert reached(taught, costs) > reached(alone, costs)
    assert len({one.candidate.hash for one in taught}) == 14, "what was evaluated elsewhere is evaluated here"


def test_other_limits_hold_here(simulate: Simulate, finished: Path, costs: CostModel) -> None:
    limit = limit_at(costs, "macs", 0.2)
    session = simulate(sampler={"name": "gp"}, evaluations=10, constraints={"macs": limit}, start_from=str(finished)).run()
    assert all(one.costs["macs"] <= limit for one in session.evaluations)


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_other_samplers_begin_there_too(sampler: str, simulate: Simulate, finished: Path, costs: CostModel) -> None:
    session = simulate(sampler={"name": sampler}, evaluations=6, start_from=str(finished)).run()
    past = Past.read(finished, Encoding(costs.space), OBJECTIVES)
    members = {costs.space.candidate(costs.space.genotype(past.rows[place])).hash for place in past.front}
    assert {one.candidate.hash for one in session.evaluations[2:]} <= members


def test_it_is_kept_in_the_study(simulate: Simulate, finished: Path) -> None:
    config = {"sampler": {"name": "gp"}, "start_from": str(finished), "durable": True}
    simulate(evaluations=5, **config).run().study.close()
    shutil.rmtree(finished)
    session = simulate(evaluations=12, **config).run()
    assert len(session.evaluations) == 12 and len(session.study._past[0].rows) == 30


def test_a_past_survives_the_way_through_json(finished: Path, space: Space) -> None:
    past = Past.read(finished, Encoding(space), OBJECTIVES)
    again = Past.from_json(past.to_json())
    assert (again.rows == past.rows).all() and again.front == past.front and again.source == past.source
    assert all((again.scores[name] == past.scores[name]).all() for name in past.scores)


def test_a_search_by_another_score_teaches_too(simulate: Simulate, finished: Path, costs: CostModel) -> None:
    past = Past.read(finished, Encoding(costs.space), ("miou", "macs"))
    assert list(past.scores) == ["fid"] and past.front == Past.read(finished, Encoding(costs.space), OBJECTIVES).front != ()
    config = {"sampler": {"name": "gp"}, "evaluations": 14, "objectives": ("miou", "macs")}
    session = simulate(directory="taught", start_from=str(finished), **config).run()
    members = {costs.space.candidate(costs.space.genotype(past.rows[place])).hash for place in past.front}
    assert {one.candidate.hash for one in session.evaluations[2:6]} <= members and len(session.evaluations) == 14


@pytest.mark.parametrize("sources", [1, 2])
def test_what_is_queued_costs_no_proposal_of_the_samplers(sources: int, simulate: Simulate, finished: Path, tmp_path: Path) -> None:
    config = {"sampler": {"name": "gp", "args": {"n_startup_trials": 4}}, "start_from": [str(finished)] * sources, "durable": True}
    unseen: list[object] = []
    for evaluations in (3, 6, 14):
        simulation = simulate(evaluations=evaluations, **config)
        session = simulation.open()
        original = session.study.region.unseen

        def counted(*args: object, original: object = original, **kwargs: object) -> object:
            unseen.append(args)
            return original(*args, **kwargs)  # type: ignore[operator]

        session.study.region.unseen = counted  # type: ignore[method-assign, assignment]
        simulation.run(session).study.close()
    hashes = (tmp_path / "log").read_text().split()
    assert not unseen and len(set(hashes)) == len(hashes)


def test_limits_that_fix_a_cost_leave_other_searches_far_outside(simulate: Simulate, finished: Path, costs: CostModel) -> None:
    least = costs.least("macs")
    session = simulate(sampler={"name": "gp"}, evaluations=12, constraints={"macs": least}, start_from=str(finished)).run()
    assert {one.costs["macs"] for one in session.evaluations} == {least}


def test_what_cannot_be_started_from_is_refused(simulate: Simulate, finished: Path, small_space: Space, small_costs: CostModel) -> None:
    with pytest.raises(ConfigError, match=r"has no evaluations .*name the run directory of a search"):
        simulate(evaluations=4, start_from=str(finished / "nowhere")).open()
    with pytest.raises(ConfigError, match=r"searched other decisions \(.*are decided by one of the two searches only\)"):
        simulate(space=small_space, costs=small_costs, evaluations=4, start_from=str(finished)).open()
    part = next((finished / "search" / "ledger").glob("*.parquet"))
    part.write_bytes(b"not a ledger")
    with pytest.raises(ConfigError, match="is not a readable part of a ledger"):
        simulate(evaluations=4, start_from=str(finished)).open()
