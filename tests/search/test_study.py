from __future__ import annotations

import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from simulation import SimulatedEvaluator, Simulation, limit_at

from autogc.cost import CostModel
from autogc.errors import AutogcError, ConfigError, RunDirectoryError
from autogc.search import SAMPLERS, Evaluation, Ledger
from autogc.search.evaluator import evaluate
from autogc.search.pareto import eligible, hypervolume, minimized_values
from autogc.search.session import SearchSession
from autogc.search.study import EVALUATED, INFEASIBLE, OUTCOME, SearchStudy
from autogc.supernet import Space

Simulate = Callable[..., Simulation]
NAMED = ("gp", "tpe", "random")  # all of them: tests/contracts/test_samplers.py


def evaluated(tmp_path: Path) -> list[str]:
    """Return the hash of every evaluation that was really done."""
    log = tmp_path / "log"
    return log.read_text().split() if log.exists() else []


def check_whole(simulation: Simulation, tmp_path: Path, *, evaluations: int) -> list[Evaluation]:
    """Check that the ledger, the study and the log of evaluations done say the same, each candidate once."""
    ledger = Ledger(simulation.directory).read()
    hashes = [one.candidate.hash for one in ledger]
    assert len(ledger) == evaluations and len(set(hashes)) == evaluations
    session = simulation.open()
    trials = session.study._study.get_trials(deepcopy=False)
    told = Counter(t.user_attrs["hash"] for t in trials if t.user_attrs.get(OUTCOME) == EVALUATED and t.state == TrialState.COMPLETE)
    assert told == Counter(one.candidate.hash for one in ledger if one.state == "complete")
    assert not any(t.state == TrialState.RUNNING for t in trials)
    assert set(evaluated(tmp_path)) == set(hashes)
    return ledger


@pytest.mark.parametrize("sampler", NAMED)
def test_every_sampler_spends_its_evaluations_on_feasible_new_candidates(
    sampler: str, simulate: Simulate, costs: CostModel, tmp_path: Path
) -> None:
    limits = {"macs": limit_at(costs, "macs", 0.3), "storage_bytes": limit_at(costs, "storage_bytes", 0.3)}
    simulation = simulate(sampler={"name": sampler}, constraints=limits, evaluations=14)
    session = simulation.run()
    done = evaluated(tmp_path)
    assert len(done) == len(set(done)) == 14 and not session.study.exhausted
    assert all(one.costs[name] <= limit for one in session.evaluations for name, limit in limits.items())
    largest, smallest = (
        simulation.space.candidate(session.study._encoding.genotype(row))
        for row in (session.study.region.largest(), session.study.region.smallest())
    )
    assert [one.candidate for one in session.evaluations[:2]] == [largest, smallest]


@pytest.mark.parametrize("objectives", [("fid", "macs"), ("miou", "storage_bytes", "macs")])
def test_the_study_holds_the_objectives_and_the_constraints(objectives: tuple[str, ...], simulate: Simulate, costs: CostModel) -> None:
    limit = limit_at(costs, "macs", 0.5)
    session = simulate(objectives=objectives, constraints={"macs": limit}, evaluations=8).run()
    by_number = {one.trial: one for one in session.evaluations}
    trials = session.study._study.get_trials()
    assert {t.number for t in trials if t.state == TrialState.COMPLETE} == set(by_number)
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            one = by_number[trial.number]
            assert trial.values == [(one.scores | one.costs)[name] for name in objectives]
            assert trial.constraints == {"macs": (one.costs["macs"] - limit) / limit}
        else:
            assert trial.state == TrialState.PRUNED and trial.user_attrs[OUTCOME] == INFEASIBLE and trial.constraints["macs"] > 0
    maximised = session.study._study.directions[0] == optuna.study.StudyDirection.MAXIMIZE
    assert maximised == (objectives[0] == "miou")


def test_tpe_learns_from_infeasible_proposals(simulate: Simulate, costs: CostModel) -> None:
    session = simulate(sampler={"name": "tpe"}, constraints={"macs": limit_at(costs, "macs", 0.1)}, evaluations=40).run()
    outcomes = [t.user_attrs[OUTCOME] == INFEASIBLE for t in session.study._study.get_trials()]
    half = len(outcomes) // 2
    assert sum(outcomes[half:]) < sum(outcomes[:half])


def test_gp_asks_for_nothing_infeasible_once_it_models(simulate: Simulate, costs: CostModel) -> None:
    sampler = {"name": "gp", "args": {"n_startup_trials": 6}}
    session = simulate(sampler=sampler, constraints={"macs": limit_at(costs, "macs", 1e-3)}, evaluations=12, concurrent=3).run()
    outcomes = [t.user_attrs[OUTCOME] for t in session.study._study.get_trials()]
    assert set(outcomes[-4:]) == {EVALUATED} and session.study.duplicates == 0


def test_gp_finds_more_than_chance(simulate: Simulate, costs: CostModel) -> None:
    limit = limit_at(costs, "macs", 0.3)
    volumes = {}
    for sampler in ("gp", "random"):
        session = simulate(sampler={"name": sampler}, constraints={"macs": limit}, evaluations=20, directory=sampler).run()
        values = minimized_values(eligible(session.evaluations, ("fid", "macs")), ("fid", "macs"))
        volumes[sampler] = hypervolume(values, np.array([110.0, limit]))
    assert volumes["gp"] > 1.3 * volumes["random"]


def test_seeds_are_honoured_zero_too(simulate: Simulate) -> None:
    def hashes(seed: int, directory: str) -> list[str]:
        return [one.candidate.hash for one in simulate(seed=seed, evaluations=8, directory=directory).run().evaluations]

    assert hashes(0, "a") == hashes(0, "b") != hashes(1, "c")


def test_an_evaluation_does_not_depend_on_order(simulate: Simulate) -> None:
    one = {e.candidate.hash: (e.scores, e.seed) for e in simulate(evaluations=10, concurrent=1, directory="a").run().evaluations}
    other = {e.candidate.hash: (e.scores, e.seed) for e in simulate(evaluations=10, concurrent=4, directory="b").run().evaluations}
    shared = one.keys() & other.keys()
    assert len(shared) > 4 and all(one[found] == other[found] for found in shared)


def test_a_search_of_a_small_space_ends_when_every_candidate_is_evaluated(
    simulate: Simulate, small_space: Space, small_costs: CostModel, tmp_path: Path
) -> None:
    for sampler in ("random", "gp"):
        (tmp_path / "log").unlink(missing_ok=True)
        session = simulate(space=small_space, costs=small_costs, evaluations=100, sampler={"name": sampler}, directory=sampler).run()
        assert session.study.exhausted and len(session.evaluations) == small_space.size == 18
        assert len(evaluated(tmp_path)) == 18


def test_failures_are_evaluations_too(simulate: Simulate, tmp_path: Path) -> None:
    simulation = simulate(evaluations=20, durable=True, evaluator=SimulatedEvaluator(log=tmp_path / "log", fail_every=3))
    simulation.run()
    ledger = check_whole(simulation, tmp_path, evaluations=20)
    failed = [one for one in ledger if one.state == "failed"]
    assert failed and all(one.reason == "MetricError: fid is nan" and one.scores == {"miou": 0.0} for one in failed)
    states = {t.number: t.state for t in simulation.open().study._study.get_trials()}
    assert all(states[one.trial] == TrialState.FAIL for one in failed)


def test_when_everything_fails_the_search_stops_and_says_why(simulate: Simulate) -> None:
    simulation = simulate(evaluations=50, evaluator=SimulatedEvaluator(fail_every=1))
    with pytest.raises(AutogcError, match="all of the first 5 evaluations failed, the last with: MetricError: fid is nan"):
        simulation.run()


def test_latency_as_a_constraint_is_told_when_it_is_measured(simulate: Simulate) -> None:
    simulation = simulate(
        objectives=("fid", "latency_ms"), constraints={"latency_ms": 3.0}, evaluations=12, evaluator=SimulatedEvaluator(latency=True)
    )
    session = simulation.run()
    values = {t.number: t.constraints["latency_ms"] for t in session.study._study.get_trials()}
    assert values == {one.trial: pytest.approx((one.costs["latency_ms"] - 3.0) / 3.0) for one in session.evaluations}
    assert min(values.values()) <= 0 < max(values.values())


class Killed(BaseException):
    """As sudden as a kill: nothing of autogc catches it."""


KILL_POINTS = [
    (Ledger, "append", "before"),
    (Ledger, "append", "after"),
    (SearchStudy, "tell", "before"),
    (SearchStudy, "tell", "after"),
    (SearchSession, "next", "after"),
    (optuna.Study, "ask", "before"),
    (optuna.Study, "ask", "after"),
    (optuna.Study, "tell", "before"),
    (optuna.Study, "tell", "after"),
    (optuna.Study, "enqueue_trial", "after"),
    (optuna.Study, "add_trial", "after"),
    (optuna.Trial, "_suggest", "after"),
    (optuna.Trial, "set_user_attr", "after"),
    (optuna.Trial, "set_constraint", "after"),
]


@pytest.mark.parametrize(("owner", "name", "when"), KILL_POINTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_kill_anywhere_loses_and_repeats_nothing(
    owner: type, name: str, when: str, simulate: Simulate, costs: CostModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = simulate(constraints={"macs": limit_at(costs, "macs", 0.4)}, evaluations=6, durable=True)
    original = getattr(owner, name)
    kills = 0
    for survived in (3, 0):
        calls = 0

        def deadly(*args: object, survived: int = survived, **kwargs: object) -> object:
            nonlocal calls, kills
            calls += 1
            if calls > survived and when == "before":
                kills += 1
                raise Killed
            found = original(*args, **kwargs)
            if calls > survived:
                kills += 1
                raise Killed
            return found

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, deadly)
            with contextlib.suppress(Killed):
                simulation.run()
    assert kills or name == "add_trial"
    written = {one.candidate.hash for one in Ledger(simulation.directory).read()}
    simulation.run()
    check_whole(simulation, tmp_path, evaluations=6)
    # An evaluation that was under way when the kill came is done again; one that was written down never is.
    after = evaluated(tmp_path)
    assert not written & set(after[len(after) - (6 - len(written)) :])


def test_what_was_under_way_is_proposed_first(simulate: Simulate) -> None:
    simulation = simulate(evaluations=10, durable=True)
    session = simulation.open()
    for _ in range(3):
        proposal = session.next()
        assert proposal is not None
        session.finish(proposal, evaluate(simulation.evaluator, proposal.candidate))
    under_way = [session.next(), session.next()]
    again = simulation.open()
    assert [again.next().candidate for _ in under_way] == [one.candidate for one in under_way]  # type: ignore[union-attr]


def test_a_lost_study_is_rebuilt_from_the_ledger(simulate: Simulate, tmp_path: Path) -> None:
    simulation = simulate(evaluations=12, durable=True)
    simulation.run().study.close()
    for path in simulation.directory.glob("study.db*"):
        path.unlink()
    simulation.config = simulation.config.model_copy(update={"evaluations": 15})
    session = simulation.run()
    check_whole(simulation, tmp_path, evaluations=15)
    assert len(evaluated(tmp_path)) == 15 and session.study.duplicates == 0


def test_more_evaluations_go_on_and_draw_anew(simulate: Simulate, tmp_path: Path) -> None:
    simulation = simulate(evaluations=6, durable=True)
    simulation.run()
    simulation.config = simulation.config.model_copy(update={"evaluations": 12})
    session = simulation.run()
    check_whole(simulation, tmp_path, evaluations=12)
    assert session.study.duplicates == 0


def test_a_study_of_something_else_is_refused(simulate: Simulate, small_space: Space, small_costs: CostModel) -> None:
    simulate(evaluations=2, durable=True).run()
    for changed in ({"constraints": {"macs": 1e12}}, {"objectives": ("fid", "params")}, {"space": small_space, "costs": small_costs}):
        with pytest.raises(RunDirectoryError, match="study of another space, other objectives or other constraints"):
            simulate(evaluations=2, durable=True, **changed).open()


def test_a_wrong_sampler_is_refused_with_what_is_valid(simulate: Simulate) -> None:
    for sampler, message in (
        ({"name": "gpp"}, "did you mean 'gp'"),
        ({"name": "tpe", "args": {"n_startup": 3}}, "takes no argument 'n_startup': did you mean 'n_startup_trials'"),
        ({"name": "NSGAIISampler", "args": {"population_size": 1}}, "`population_size` must be greater"),
        ({"name": "CmaEsSampler"}, "'CmaEsSampler' can't be used for this search"),
        ({"name": "TPESampler", "args": {"constraints_func": "x"}}, "takes no argument 'constraints_func'"),
    ):
        with pytest.raises(ConfigError, match=message):
            simulate(sampler=sampler).open()


def test_optuna_classes_are_there_by_name() -> None:
    assert {"TPESampler", "NSGAIISampler", "GPSampler", "RandomSampler", "QMCSampler"} <= set(SAMPLERS)
    assert "GridSampler" not in SAMPLERS and "BruteForceSampler" not in SAMPLERS


def test_reading_a_ledger_loads_neither_optuna_nor_ray() -> None:
    code = "import sys; from autogc.search import Ledger, front; assert not {'optuna', 'ray', 'sqlalchemy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_limit_that_nobody_meets_yet_is_searched_for(simulate: Simulate, costs: CostModel) -> None:
    # No objective: the limit on FID is better than all that chance finds.
    found = [one.scores["fid"] for one in simulate(evaluations=40, directory="chance").run().evaluations]
    config = {"objectives": ("miou", "macs"), "constraints": {"fid": 0.9 * min(found)}, "evaluations": 40}
    best = {
        name: min(one.scores["fid"] for one in simulate(sampler={"name": name}, directory=name, **config).run().evaluations[2:])
        for name in ("gp", "random")
    }
    assert best["gp"] < best["random"]


@pytest.mark.parametrize("sampler", ("gp", "tpe", "nsga2"))
def test_scores_as_constraints_are_told_with_what_came_of_a_candidate(
    sampler: str, simulate: Simulate, costs: CostModel, tmp_path: Path
) -> None:
    middle = float(np.median([one.scores["fid"] for one in simulate(evaluations=16).run().evaluations]))
    limits = {"macs": limit_at(costs, "macs", 0.5), "fid": middle}
    simulation = simulate(sampler={"name": sampler}, constraints=limits, evaluations=20, directory="limited")
    session = simulation.run()
    assert len(session.evaluations) == 20, "a score over its limit is no reason not to evaluate: nobody knew it"
    assert all(one.costs["macs"] <= limits["macs"] for one in session.evaluations)
    scores = {one.candidate.hash: one.scores["fid"] for one in session.evaluations}
    told = [t for t in session.study._study.get_trials(deepcopy=False) if t.user_attrs.get(OUTCOME) == EVALUATED]
    assert {t.user_attrs["hash"] for t in told} == set(scores)
    for trial in told:
        assert trial.constraints["fid"] == pytest.approx((scores[trial.user_attrs["hash"]] - middle) / middle)
        assert trial.constraints["macs"] <= 0
    within = [one for one in session.evaluations if one.scores["fid"] <= middle]
    assert within and eligible(session.evaluations, simulation.config.objectives, limits) == within
