"""Where training runs: this process, or Ray Train's workers."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_experiment import OPTIMIZATION, make_experiment

from autogc.errors import ConfigError, DivergenceError
from autogc.progress import Progress, Silent
from autogc.training import train_supernet, train_teacher
from autogc.training.launch import _raise_own, _stand_in, launch
from autogc.training.worker import Worker


class Heard(Silent):
    def __init__(self) -> None:
        self.started: list[tuple[str, int, int]] = []
        self.updates: list[tuple[int, dict[str, float]]] = []

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        self.started.append((task, total, done))

    def update(self, done: int, **figures: float) -> None:
        self.updates.append((done, figures))


def test_one_worker_runs_in_this_process() -> None:
    found: list[Any] = []

    def function(config: Mapping[str, Any], worker: Worker, progress: Progress) -> None:
        found.append((config, worker, progress))

    silent = Silent()
    launch(function, {"a": 1}, device="cpu", workers=1, address=None, progress=silent)
    assert found == [({"a": 1}, Worker(rank=0, workers=1, device=torch.device("cpu")), silent)]


def test_more_workers_than_cores_would_wait_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with pytest.raises(ConfigError, match="workers is 3, but this machine has 2 cores"):
        launch(_refuse, {"directory": str(tmp_path)}, device="cpu", workers=3, address=None, progress=Silent())


def test_a_workers_error_is_raised_again_as_what_it_was() -> None:
    original = ConfigError(["one is wrong", "two is wrong"], source="space")
    with pytest.raises(ConfigError) as caught:
        _raise_own(("ConfigError", str(original)), RuntimeError())
    assert (caught.value.problems, caught.value.source, str(caught.value)) == (original.problems, "space", str(original))
    _raise_own(None, RuntimeError())


def _refuse(config: Mapping[str, Any], worker: Worker, progress: Progress) -> None:
    raise ConfigError("nothing here works")


@pytest.fixture
def cluster():
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def _say_where(config: Mapping[str, Any], worker: Worker, progress: Progress) -> None:
    (Path(config["directory"]) / f"worker-{worker.rank}").write_text(str(Path.cwd()))


@pytest.mark.slow
def test_relative_paths_are_those_of_where_the_job_was_started(cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloudpickle = pytest.importorskip("ray.cloudpickle")
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    this = sys.modules[__name__]  # pytest's import, which workers cannot repeat
    cloudpickle.register_pickle_by_value(this)
    try:
        launch(_say_where, {"directory": str(run)}, device="cpu", workers=2, address=None, progress=Silent())
    finally:
        cloudpickle.unregister_pickle_by_value(this)
    assert [(run / f"worker-{rank}").read_text() for rank in range(2)] == [str(tmp_path)] * 2


def test_a_worker_without_the_directory_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _stand_in(str(tmp_path / "missing"))
    assert Path.cwd() == tmp_path
    (tmp_path / "here").mkdir()
    _stand_in(str(tmp_path / "here"))
    assert Path.cwd() == tmp_path / "here"


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 2])
def test_two_workers_train_as_one_with_the_same_batch(stage: int, cluster: None, tmp_path: Path) -> None:
    """Up to float32's order of summation, which Adam's division amplifies where a gradient is near zero."""
    optimization = {**OPTIMIZATION, "deepspeed": {"zero_optimization": {"stage": stage}}}
    generator = {"name": "resnet", "args": {"base_channels": 8, "blocks": 1}}
    given = {
        "generator": generator,
        "teacher": optimization,
        "supernet": {**optimization, "decompose": ["blocks.*"], "accept_trivial": True},
    }
    heard = Heard()
    for workers in (1, 2):
        experiment = make_experiment(**given, workers=workers)
        train_teacher(experiment, tmp_path / f"teacher{workers}", progress=heard)
        train_supernet(experiment, tmp_path / "teacher1", tmp_path / f"supernet{workers}", progress=heard)
    assert heard.started == [("teacher", 6, 0), ("supernet", 6, 0)] * 2
    assert [done for done, figures in heard.updates if "loss" in figures] == [2, 4, 6] * 4
    for name in ("teacher", "supernet"):
        assert json.loads((tmp_path / f"{name}2" / "result.json").read_text())["workers"] == 2
        one, two = (json.loads((tmp_path / f"{name}{workers}" / "history.json").read_text()) for workers in (1, 2))
        for mine, other in zip(one, two, strict=True):
            assert mine == pytest.approx(other, rel=2e-3)
    one, two = (load_file(tmp_path / f"teacher{workers}" / "generator.safetensors") for workers in (1, 2))
    distance = torch.cat([(one[key] - two[key]).abs().flatten() for key in one])
    assert float(distance.mean()) < 1e-5 and float(distance.max()) < 1e-3
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_a_workers_error_is_raised_here(tmp_path: Path) -> None:
    """Without a cluster: Ray is started for the training, and stopped."""
    ray = pytest.importorskip("ray")
    experiment = make_experiment(workers=2, teacher={**OPTIMIZATION, "learning_rate": 1e30})
    with pytest.raises(DivergenceError, match="teacher training diverged at step"):
        train_teacher(experiment, tmp_path / "out")
    assert not list(tmp_path.glob(".*"))
    assert not ray.is_initialized()
