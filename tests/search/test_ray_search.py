"""The search as Ray runs it. One Ray serves all the tests here that do not need one of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import simulation
import torch
from simulation import FakeJudge, FakeSplit, SimulatedEvaluator, Simulation

from autogc.config.experiment import SearchConfig, SpaceConfig
from autogc.config.generator import GeneratorConfig
from autogc.cost import CostModel
from autogc.errors import ConfigError, InfeasibleError
from autogc.models import build_completed
from autogc.search import CandidateEvaluator, Ledger, run_search
from autogc.search.driver import search_with
from autogc.search.evaluator import evaluate
from autogc.search.searcher import DIED, EvaluationDefect
from autogc.supernet import Candidate, Space, Supernet

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def started() -> Iterator[None]:
    import ray.cloudpickle

    ray.cloudpickle.register_pickle_by_value(simulation)  # workers can't import the tests
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


class Notes:
    def __init__(self) -> None:
        self.started: list[tuple[str, int, int]] = []
        self.updates: list[tuple[int, dict[str, float]]] = []
        self.notes: list[str] = []

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        self.started.append((task, total, done))

    def update(self, done: int, **figures: float) -> None:
        self.updates.append((done, figures))

    def note(self, text: str) -> None:
        self.notes.append(text)


def search(evaluator: Any, space: Space, costs: CostModel, directory: Path, *, evaluations: int, **given: Any) -> list[Any]:
    config = SearchConfig.model_validate({"evaluations": evaluations, "sampler": {"name": "random"}, **given.pop("config", {})})
    return search_with(lambda: evaluator, name="test", config=config, seed=0, space=space, costs=costs, directory=directory, **given)


def test_a_search_over_a_real_supernet(
    started: None, supernet: Supernet, space: Space, costs: CostModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = SearchConfig(
        objectives=("fid", "macs"),
        constraints={"macs": simulation.limit_at(costs, "macs", 0.5)},
        evaluations=6,
        images=3,
        sampler={"name": "random"},  # type: ignore[arg-type]
    )
    experiment: Any = SimpleNamespace(name="real", seed=5, search=config, scores=None, scored=("fid",))
    data: Any = SimpleNamespace(validation=FakeSplit())
    seen, progress = [], Notes()

    def on_evaluation(evaluation: Any) -> None:
        assert evaluation.candidate.hash in Ledger(tmp_path).hashes()  # on disk before anybody hears of it
        seen.append(evaluation)

    judge: Any = FakeJudge()
    found = run_search(
        experiment,
        supernet=supernet,
        space=space,
        costs=costs,
        judge=judge,
        data=data,
        directory=tmp_path,
        on_evaluation=on_evaluation,
        progress=progress,
    )
    assert len(found) == 6 and {one.trial for one in found} == {one.trial for one in seen}
    here: Any = CandidateEvaluator(supernet=supernet, judge=judge, split=data.validation, metrics=("fid",), seed=5, images=3)
    for one in found:
        assert one.state == "complete" and one.worker != f"{os.uname().nodename}:{os.getpid()}"
        assert one.scores == evaluate(here, one.candidate).scores  # wherever it is done
        assert {name: one.costs[name] for name in costs.costs(one.candidate)} == costs.costs(one.candidate)
        assert one.provenance["images"] == 3 and one.versions["torch"]
    assert progress.started == [("search", 6, 0)] and progress.updates[-1][0] == 6
    assert set(progress.updates[-1][1]) == {"fid", "macs", "dominated_share"}
    assert "6 candidates evaluated" in progress.notes[-1] and "infeasible" in progress.notes[-1]
    assert not (tmp_path / "ray").exists()
    written = capfd.readouterr()
    assert written.out == "" and written.err == ""
    assert ray.is_initialized()  # it was not ours to stop


OWN = """
import squeeze
from squeeze import gate
from torch import nn

class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(4, 32, 3, padding=1), squeeze.Last(32, 3, 1)

    def forward(self, x):
        return self.last(gate(self.first(x)))
"""
SQUEEZE = """
from torch import nn

class Last(nn.Conv2d):
    def forward(self, x):
        return super().forward(x).tanh()

def gate(x):
    return x * x.sigmoid()
"""


def test_a_generator_from_a_users_file_reaches_the_workers(started: None, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "squeeze.py").write_text(SQUEEZE)
    supernet = Supernet.convert(build_completed(GeneratorConfig(module=f"{tmp_path}/own.py:Own")), torch.zeros(1, 4, 16, 24))
    config: Any = {"stages": {"all": ["*"]}, "dimensions": {"width": {"choices": {"*": [8, 16, 24, 32]}}}}
    space = Space.build(SpaceConfig.model_validate(config), supernet)
    given: Any = {"judge": FakeJudge(), "split": FakeSplit(), "metrics": ("fid",), "images": 3}
    evaluator = CandidateEvaluator(supernet=supernet, seed=5, **given)
    before = ray.cloudpickle.list_registry_pickle_by_value()
    found = search(evaluator, space, CostModel(supernet, space), tmp_path / "search", evaluations=2)
    assert [one.state for one in found] == ["complete", "complete"], [one.reason for one in found]
    assert all(one.worker != f"{os.uname().nodename}:{os.getpid()}" for one in found)
    assert [one.scores for one in found] == [evaluate(evaluator, one.candidate).scores for one in found]
    assert ray.cloudpickle.list_registry_pickle_by_value() == before


@dataclass
class Deadly(SimulatedEvaluator):
    """Ends its process: for ``once`` the first time, for ``always`` every time."""

    directory: Path = Path()
    once: str = ""
    always: str = ""

    def evaluate(self, candidate: Candidate, bar: Any = None) -> Any:
        marker = self.directory / candidate.hash
        if candidate.hash == self.always or (candidate.hash == self.once and not marker.exists()):
            marker.touch()
            os._exit(1)
        return super().evaluate(candidate, bar)


def test_a_worker_that_dies_gets_its_candidate_once_more(started: None, space: Space, costs: CostModel, tmp_path: Path) -> None:
    once, always = (space.candidate(genotype).hash for genotype in (space.largest(), space.smallest()))  # the first two
    found = search(Deadly(directory=tmp_path, once=once, always=always), space, costs, tmp_path / "search", evaluations=3)
    assert len(found) == 3
    assert {one.candidate.hash: (one.state, one.reason) for one in found if one.state == "failed"} == {always: ("failed", DIED)}
    assert (tmp_path / once).exists() and once in {one.candidate.hash for one in found}


def test_workers_are_told_what_the_first_images_must_show(started: None, space: Space, costs: CostModel, tmp_path: Path) -> None:
    config = {"sampler": {"name": "gp", "args": {"n_startup_trials": 5}}, "first_images": 2}
    found = search(SimulatedEvaluator(), space, costs, tmp_path, evaluations=36, config=config)
    assert len(found) == 36 and {one.state for one in found} == {"complete", "screened"}
    assert all(one.first is not None and one.first["images"] == 2 for one in found)


class Defective(SimulatedEvaluator):
    def evaluate(self, candidate: Candidate, bar: Any = None) -> Any:
        raise KeyError("a defect")


def test_a_defect_ends_the_search(started: None, space: Space, costs: CostModel, tmp_path: Path) -> None:
    with pytest.raises(EvaluationDefect, match="KeyError: 'a defect'"):
        search(Defective(), space, costs, tmp_path, evaluations=6)
    assert Ledger(tmp_path).read() == []  # nothing is wrong with the candidate


def test_what_a_callback_raises_reaches_the_caller(started: None, space: Space, costs: CostModel, tmp_path: Path) -> None:
    def broken(evaluation: Any) -> None:
        raise ZeroDivisionError("in the callback")

    with pytest.raises(ZeroDivisionError, match="in the callback"):
        search(SimulatedEvaluator(), space, costs, tmp_path, evaluations=4, on_evaluation=broken)
    assert len(Ledger(tmp_path).read()) == 1


def test_ctrl_c_leaves_a_search_that_goes_on(started: None, space: Space, costs: CostModel, tmp_path: Path) -> None:
    def interrupt(evaluation: Any) -> None:
        if len(Ledger(tmp_path).read()) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    log = tmp_path / "log"
    with pytest.raises(KeyboardInterrupt):
        search(SimulatedEvaluator(log=log, seconds=0.05), space, costs, tmp_path, evaluations=30, on_evaluation=interrupt)
    there = Ledger(tmp_path).hashes()
    assert 3 <= len(there) < 30
    before = len(log.read_text().split())
    found = search(SimulatedEvaluator(log=log), space, costs, tmp_path, evaluations=len(there) + 3)
    assert len(found) == len(there) + 3
    assert not there & set(log.read_text().split()[before:])


def test_what_can_never_run_is_refused_at_once(started: None, space: Space, costs: CostModel, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"search\.cpus_per_trial is 4096, and the most that one machine has is 2"):
        search(SimulatedEvaluator(), space, costs, tmp_path, evaluations=2, config={"cpus_per_trial": 4096})
    with pytest.raises(InfeasibleError, match="the least that this space reaches"):
        search(SimulatedEvaluator(), space, costs, tmp_path, evaluations=2, config={"constraints": {"macs": 1}})


SCRIPT = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import ray.cloudpickle
import simulation
from autogc.config.experiment import SearchConfig
from autogc.cost import CostModel
from autogc.search.driver import search_with

ray.cloudpickle.register_pickle_by_value(simulation)
directory, evaluations, seconds = Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
supernet = simulation.build_supernet()
space = simulation.build_space(supernet, simulation.DIMENSIONS)
costs = CostModel(supernet, space)
config = SearchConfig(evaluations=evaluations, sampler={"name": "tpe"}, constraints={"macs": simulation.limit_at(costs, "macs", 0.3)})
evaluator = simulation.SimulatedEvaluator(log=directory / "log", seconds=seconds)
search_with(lambda: evaluator, name="killed", config=config, seed=0, space=space, costs=costs, directory=directory)
"""


@pytest.mark.slow
def test_kill_9_and_the_same_call_again(tmp_path: Path) -> None:
    def command(evaluations: int, seconds: float) -> list[str]:
        return [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(tmp_path), str(evaluations), str(seconds)]

    killed = subprocess.Popen(command(40, 0.3), start_new_session=True)
    deadline = time.monotonic() + 120
    while len(Ledger(tmp_path).hashes()) < 4:
        assert killed.poll() is None and time.monotonic() < deadline, "the search got nowhere"
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)  # the driver and what it started: Ray and its workers
    killed.wait()
    there = Ledger(tmp_path).hashes()
    before = len((tmp_path / "log").read_text().split())
    total = len(there) + 4
    subprocess.run(command(total, 0.0), check=True, timeout=120)
    found = Ledger(tmp_path).read()
    assert len(found) == len({one.candidate.hash for one in found}) == total
    again = (tmp_path / "log").read_text().split()[before:]
    assert len(again) == 4 and not there & set(again)


def test_nothing_left_to_do_starts_no_ray(space: Space, costs: CostModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Simulation(space, costs, tmp_path, SearchConfig(evaluations=3, sampler={"name": "random"}), SimulatedEvaluator()).run()  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "autogc.search.cluster", None)

    def unwanted() -> Any:
        raise AssertionError("nothing is to be evaluated")

    config = SearchConfig(evaluations=3, sampler={"name": "random"})  # type: ignore[arg-type]
    progress = Notes()
    found = search_with(unwanted, name="test", config=config, seed=0, space=space, costs=costs, directory=tmp_path, progress=progress)
    assert len(found) == 3 and progress.started == [("search", 3, 3)]
