from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import TrialState
from simulation import SimulatedEvaluator, Simulation

from autogc.search.evaluator import evaluate
from autogc.search.ledger import Ledger
from autogc.search.pareto import front
from autogc.search.samplers import FIRST
from autogc.search.screening import Bar
from autogc.supernet import Space

Simulate = Callable[..., Simulation]


def test_a_bar_is_missed_on_the_bad_side_of_it() -> None:
    bar = Bar(8, {"fid": 20.0, "miou": 0.5})
    assert bar.missed({"fid": 20.0, "miou": 0.5}) == {}
    assert bar.missed({"fid": 20.1, "miou": 0.6}) == {"fid": 20.0}
    assert bar.missed({"fid": 19.0, "miou": 0.4}) == {"miou": 0.5}
    assert bar.missed({}) == {}, "what the first images can't tell stops nobody"


def test_an_evaluation_that_misses_has_a_state_and_a_reason_and_no_scores(space: Space) -> None:
    candidate = space.candidate(space.smallest())
    whole = evaluate(SimulatedEvaluator(), candidate)
    passed = evaluate(SimulatedEvaluator(), candidate, Bar(2, {"fid": 1e6}))
    missed = evaluate(SimulatedEvaluator(), candidate, Bar(2, {"fid": 1.0}))
    assert passed.state == "complete" and passed.scores == whole.scores
    assert missed.state == "screened" and missed.scores == {} and missed.provenance["first"] == passed.provenance["first"]
    assert missed.reason is not None and missed.reason.startswith("not scored on all images: on the first 2, fid ")


def test_most_of_a_search_is_screened_and_its_front_is_whole(simulate: Simulate) -> None:
    config = {"sampler": {"name": "gp"}, "evaluations": 40, "first_images": 2}
    session = simulate(**config).run()
    states = [one.state for one in session.evaluations]
    assert set(states) == {"complete", "screened"} and 5 <= states.count("screened") <= 32
    assert all(one.first is not None for one in session.evaluations), "what the first images said is kept of all"
    assert all(one.scores == {} and one.reason for one in session.evaluations if one.state == "screened")
    # What was left out would have reached nothing, but for the chance that is taken.
    simulated = SimulatedEvaluator()
    members = front(session.evaluations, ("fid", "macs"))
    for one in session.evaluations:
        if one.state == "screened":
            fid = simulated.evaluate(one.candidate)[0]["fid"]
            assert any(other.costs["macs"] <= one.costs["macs"] and other.scores["fid"] < fid * 1.05 for other in members)


def test_it_goes_on_after_a_kill_and_repeats_nothing(simulate: Simulate, tmp_path: Path) -> None:
    config = {"sampler": {"name": "gp", "args": {"n_startup_trials": 5}}, "first_images": 2, "durable": True}
    simulation = simulate(evaluations=34, **config)
    simulation.run().study.close()
    screened = sum(one.state == "screened" for one in Ledger(simulation.directory).read())
    assert screened
    again = simulate(evaluations=38, **config)
    session = again.run()
    hashes = (tmp_path / "log").read_text().split()
    assert len(hashes) == len(set(hashes)) == len(session.evaluations) == 38
    trials = session.study._study.get_trials(deepcopy=False)
    assert sum(one.state == TrialState.PRUNED and FIRST in one.user_attrs for one in trials) >= screened
    session.study.close()
    # A study that is lost is made from the ledger, screened candidates and all.
    for path in again.directory.glob("study.db*"):
        path.unlink()
    rebuilt = simulate(evaluations=40, **config).run()
    hashes = (tmp_path / "log").read_text().split()
    assert len(hashes) == len(set(hashes)) == len(rebuilt.evaluations) == 40


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_other_samplers_score_all_and_keep_what_the_first_images_said(sampler: str, simulate: Simulate) -> None:
    session = simulate(sampler={"name": sampler}, evaluations=8, first_images=2).run()
    assert all(one.state == "complete" and one.first is not None and one.first["images"] == 2 for one in session.evaluations)


def test_several_modelled_objectives_are_all_scored_whole(simulate: Simulate) -> None:
    config = {"sampler": {"name": "gp", "args": {"n_startup_trials": 4}}, "objectives": ("fid", "miou", "macs")}
    session = simulate(evaluations=10, first_images=2, **config).run()
    assert {one.state for one in session.evaluations} == {"complete"}
