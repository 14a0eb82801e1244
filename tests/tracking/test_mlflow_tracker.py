"""Against real stores: a database in a temporary directory, and a server that is away and then there."""

from __future__ import annotations

import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autogc.config.experiment import TrackingConfig
from autogc.files import read_json
from autogc.search.pareto import hypervolume
from autogc.tracking import NullTracker, Tracker
from autogc.tracking.runs import Runs
from autogc.tracking.state import STATE, UNSENT, own_uri

AWAY = "http://127.0.0.1:9"  # the discard port: refuses at once


@pytest.fixture(scope="session")
def making_a_store(tmp_path_factory):
    """What making an empty database said, in a process of its own where nobody has configured logging; it takes seconds, so once."""
    directory = tmp_path_factory.mktemp("store")
    script = "import sys; from autogc.tracking.runs import open_client; open_client(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", script, own_uri(directory)], capture_output=True, text=True, cwd=directory)
    return directory / "mlflow.db", done


@pytest.fixture
def directory(tmp_path, making_a_store):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(making_a_store[0], run / "mlflow.db")
    return run


def client_of(uri):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def all_runs(uri, name="small"):
    """Return (parents, children) of an MLflow experiment."""
    client = client_of(uri)
    experiment = client.get_experiment_by_name(name)
    runs = [] if experiment is None else client.search_runs([experiment.experiment_id], max_results=1000)
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return [run for run in runs if run not in children], children


def test_a_run_and_its_candidates(directory, experiment, evaluations):
    tracker = Tracker.open(TrackingConfig(), directory, experiment)
    tracker.sync(evaluations)
    tracker.metrics("teacher", 20, {"loss": 1.5, "diverged": math.nan})
    tracker.metrics("teacher", 40, {"loss": 1.0})
    tracker.close()
    assert tracker.problems == ()

    parents, children = all_runs(own_uri(directory))
    (parent,) = parents
    assert parent.info.run_id == tracker.run_id == read_json(directory / STATE)["run_id"]
    assert parent.info.status == "FINISHED"
    assert parent.data.params["objectives"] == "fid, macs"
    history = client_of(own_uri(directory)).get_metric_history(tracker.run_id, "teacher/loss")
    assert [(metric.step, metric.value) for metric in history] == [(20, 1.5), (40, 1.0)]
    assert "teacher/diverged" not in parent.data.metrics

    by_name = {child.info.run_name: child for child in children}
    assert sorted(by_name) == sorted(evaluation.candidate.hash for evaluation in evaluations)
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {tracker.run_id}
    first = by_name[evaluations[0].candidate.hash]
    assert first.data.params == {"width/stem": "8", "weight_bits/blocks": "8", "a decision with _ in it": "dense"}
    assert first.data.metrics == {"fid": 50.0, "miou": 0.30, "macs": 1e9, "storage_bytes": 1e6, "params": 1e5}
    assert first.data.tags["autogc.feature_network"] == evaluations[0].provenance["feature_network"]
    assert (first.info.start_time, first.info.end_time) == tuple(
        round(moment.timestamp() * 1000) for moment in (evaluations[0].started, evaluations[0].finished)
    )
    failed = by_name[evaluations[4].candidate.hash]
    assert (failed.info.status, failed.data.tags["autogc.state"], failed.data.tags["autogc.reason"]) == (
        "FAILED",
        "failed",
        "images hold NaN",
    )
    assert "fid" not in by_name[evaluations[5].candidate.hash].data.metrics  # infinite


def test_opened_again_it_is_the_same_run_and_nothing_is_sent_twice(directory, experiment, evaluations):
    with Tracker.open(TrackingConfig(), directory, experiment) as first:
        first.sync(evaluations[:3])
    with Tracker.open(TrackingConfig(), directory, experiment) as second:
        second.sync(evaluations)
        second.evaluation(evaluations[0])
    parents, children = all_runs(own_uri(directory))
    assert [parent.info.run_id for parent in parents] == [first.run_id] == [second.run_id]
    assert len(children) == len(evaluations)


def test_a_kill_anywhere_leaves_one_parent_and_whole_children(directory, experiment, evaluations, monkeypatch):
    """A killed process leaves its parent running, perhaps before its id was noted, and a child without its values."""
    with Tracker.open(TrackingConfig(), directory, experiment) as tracker:
        with monkeypatch.context() as patched:
            patched.setattr(Runs, "_log", lambda self, *args, **given: None)
            tracker.evaluation(evaluations[0])
            deadline = time.monotonic() + 20
            while not all_runs(own_uri(directory))[1] and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.2)
        (parent,), (child,) = all_runs(own_uri(directory))
        assert child.data.metrics == {}
    state = read_json(directory / STATE)
    (directory / STATE).write_text((directory / STATE).read_text().replace(f'"{state["run_id"]}"', "null"))
    with Tracker.open(TrackingConfig(), directory, experiment) as again:
        again.sync(evaluations[:2])
    parents, children = all_runs(own_uri(directory))
    assert [run.info.run_id for run in parents] == [parent.info.run_id]
    assert len(children) == 2
    (mended,) = [run for run in children if run.info.run_id == child.info.run_id]
    assert mended.data.metrics["fid"] == 50.0


def test_it_knows_whether_all_was_delivered(directory, experiment, evaluations):
    assert not Tracker.unsettled(directory)  # nothing was ever tracked
    tracker = Tracker.open(TrackingConfig(), directory, experiment)
    assert Tracker.unsettled(directory)  # what a kill would leave
    tracker.sync(evaluations[:1])
    tracker.close()
    assert not Tracker.unsettled(directory)


def test_how_it_ends(directory, experiment):
    def status():
        (parent,), _ = all_runs(own_uri(directory))
        return parent.info.status

    with pytest.raises(RuntimeError), Tracker.open(TrackingConfig(), directory, experiment):
        raise RuntimeError
    assert status() == "FAILED"
    with pytest.raises(KeyboardInterrupt), Tracker.open(TrackingConfig(), directory, experiment):
        raise KeyboardInterrupt
    assert status() == "KILLED"


def test_the_front_and_its_hypervolume(directory, experiment, evaluations, tmp_path):
    grid = tmp_path / "grid.png"
    grid.write_bytes(b"a picture")
    with Tracker.open(TrackingConfig(), directory, experiment) as tracker:
        tracker.front(evaluations[4:], None)  # nothing to draw
        tracker.front(evaluations[:3], grid, teacher={"fid": 10.0, "macs": 56e9})
    reference = tracker.reference
    with Tracker.open(TrackingConfig(), directory, experiment) as tracker:
        tracker.front(evaluations, grid)
    assert tracker.problems == () and tracker.reference == reference

    client = client_of(own_uri(directory))
    files = {file.path for file in client.list_artifacts(tracker.run_id, "front")}
    assert files == {f"front/{name}" for name in ("front.html", "front.png", "front.csv", "hypervolume.png", "grid.png")}
    artifacts = directory / "mlartifacts" / tracker.run_id / "artifacts" / "front"
    rows = (artifacts / "front.csv").read_text().splitlines()
    assert rows[0].startswith("hash,trial,fid,miou,macs,storage_bytes,params,seed,width/stem")
    assert [row.split(",")[0] for row in rows[1:]] == [evaluations[i].candidate.hash for i in (0, 1, 3)]
    page = (artifacts / "front.html").read_text(encoding="utf-8")
    assert "Plotly.newPlot" in page and "https://cdn.plot.ly" not in page[:20000] and len(page) > 1_000_000

    history = client.get_metric_history(tracker.run_id, "hypervolume")
    points = np.array([[e.scores["fid"], e.costs["macs"]] for e in evaluations[:4]])
    corner = np.array([reference["fid"], reference["macs"]])
    expected = [(trial, hypervolume(points[: trial + 1], corner)) for trial in range(4)]
    assert [(metric.step, metric.value) for metric in history] == expected


def test_artifacts(directory, experiment, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.md").write_text("# report")
    with Tracker.open(TrackingConfig(), directory, experiment) as tracker:
        tracker.artifact(tmp_path / "report", under="report")
        tracker.artifact(tmp_path / "report" / "report.md")
        tracker.artifact(tmp_path / "absent.md")
    found = {file.path for file in client_of(own_uri(directory)).list_artifacts(tracker.run_id)}
    assert found == {"report", "report.md"}
    (problem,) = tracker.problems
    assert "absent.md is not there" in problem


def test_many_decisions_and_values_fit_mlflows_limits(directory, experiment, evaluations):
    wide = replace(evaluations[0], genotype={f"width/group{n}": n for n in range(230)})
    with Tracker.open(TrackingConfig(), directory, experiment) as tracker:
        tracker.evaluation(wide)
        for step in range(1200):
            tracker.metrics("supernet", step, {"loss": 1 / (step + 1)})
    assert tracker.problems == ()
    _, (child,) = all_runs(own_uri(directory))
    assert len(child.data.params) == 230 and child.data.metrics["fid"] == 50.0
    assert len(client_of(own_uri(directory)).get_metric_history(tracker.run_id, "supernet/loss")) == 1200


def test_a_moved_run_directory_takes_its_artifacts_along(directory, experiment, evaluations, tmp_path):
    with Tracker.open(TrackingConfig(), directory, experiment) as before:
        before.evaluation(evaluations[0])
    moved = tmp_path / "elsewhere" / "moved"
    moved.parent.mkdir()
    directory.rename(moved)
    with Tracker.open(TrackingConfig(), moved, experiment) as after:
        after.artifact(moved / STATE)
        after.evaluation(evaluations[1])
    assert after.run_id == before.run_id
    assert not directory.exists()
    (parent,), children = all_runs(own_uri(moved))
    root = (moved / "mlartifacts").as_uri()
    assert {run.info.artifact_uri for run in (parent, *children)} == {f"{root}/{run.info.run_id}/artifacts" for run in (parent, *children)}
    assert (moved / "mlartifacts" / after.run_id / "artifacts" / STATE).is_file()


def test_switched_off_it_takes_everything_and_writes_nothing(tmp_path, experiment, evaluations):
    with Tracker.open(TrackingConfig(enabled=False), tmp_path / "run", experiment) as tracker:
        assert isinstance(tracker, NullTracker)
        tracker.sync(evaluations)
        tracker.metrics("teacher", 1, {"loss": 1.0})
        tracker.front(evaluations, None)
        tracker.artifact(tmp_path)
    assert tracker.problems == () and tracker.run_id is None and tracker.reference is None
    assert list(tmp_path.iterdir()) == []


def test_no_global_state_and_nothing_said(directory, experiment, evaluations, capfd):
    import mlflow

    before = mlflow.get_tracking_uri()
    with Tracker.open(TrackingConfig(), directory, experiment) as tracker:
        tracker.evaluation(evaluations[0])
    assert mlflow.get_tracking_uri() == before and mlflow.active_run() is None
    assert "".join(capfd.readouterr()) == ""


def test_making_a_database_is_silent(making_a_store):
    database, done = making_a_store
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert database.stat().st_size > 0


def test_a_server_that_is_away_stops_nothing(tmp_path, directory, experiment, evaluations):
    """Nothing raises, nothing waits, and the next opening sends everything: here to a store that is there."""
    picture = tmp_path / "grid.png"
    picture.write_bytes(b"a picture")
    begin = time.monotonic()
    tracker = Tracker.open(TrackingConfig(uri=AWAY), directory, experiment)
    _say_everything(tracker, evaluations, picture)
    said = time.monotonic() - begin
    tracker.close(timeout=1.0)
    assert said < 3 and time.monotonic() - begin < said + 3
    assert tracker.run_id is None
    away, unsent = tracker.problems
    assert "127.0.0.1:9 cannot be reached" in away
    assert unsent.startswith("6 evaluations, 1 values of curves and 1 files could not be sent")
    assert read_json(directory / UNSENT)["points"][0]["key"] == "teacher/loss"

    with Tracker.open(TrackingConfig(), directory, experiment) as again:
        again.sync(evaluations)
    assert again.problems == () and not (directory / UNSENT).exists()
    _is_everything_there(own_uri(directory), again.run_id)


@pytest.mark.slow
def test_a_server_that_comes_back(tmp_path, directory, experiment, evaluations, capfd):
    """A real server, which takes half a minute to start on a busy machine: what waits is sent in the same run, artifacts through it."""
    picture = tmp_path / "grid.png"
    picture.write_bytes(b"a picture")
    config = TrackingConfig(uri=f"http://127.0.0.1:{_free_port()}")
    tracker = Tracker.open(config, tmp_path / "run-on-a-server", experiment)
    _say_everything(tracker, evaluations, picture)
    with _server(directory, uri=config.uri):
        tracker.close(timeout=60)
        assert tracker.problems[1:] == ()
        assert "".join(capfd.readouterr()) == ""
        _is_everything_there(config.uri, tracker.run_id)


def _say_everything(tracker, evaluations, picture):
    tracker.sync(evaluations)
    tracker.metrics("teacher", 20, {"loss": 1.5})
    tracker.artifact(picture)


def _is_everything_there(uri, run_id):
    (parent,), children = all_runs(uri)
    assert parent.info.run_id == run_id and parent.info.status == "FINISHED" and len(children) == 6
    assert parent.data.metrics == {"teacher/loss": 1.5}
    assert [file.path for file in client_of(uri).list_artifacts(run_id)] == ["grid.png"]


def test_a_refused_message_is_told_and_stops_nothing(directory, experiment, evaluations):
    """A deleted MLflow experiment takes no runs: that is said, and the search goes on."""
    with Tracker.open(TrackingConfig(), directory, experiment):
        pass
    client = client_of(own_uri(directory))
    client.delete_experiment(client.get_experiment_by_name("small").experiment_id)
    tracker = Tracker.open(TrackingConfig(), directory, experiment)
    tracker.evaluation(evaluations[0])
    tracker.close(timeout=20)
    assert tracker.problems and all("not tracked" in problem for problem in tracker.problems)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class _server:
    """An MLflow server of a store, on this machine, until the block ends."""

    def __init__(self, directory: Path, *, uri: str) -> None:
        self.health = f"{uri}/health"
        port = uri.rpartition(":")[2]
        store = ["--backend-store-uri", own_uri(directory), "--artifacts-destination", str(directory / "served")]
        self.command = [sys.executable, "-m", "mlflow", "server", *store, "--port", port, "--workers", "1"]
        self.directory = directory

    def __enter__(self) -> None:
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.directory / "server.log").open("w") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=environment, cwd=self.directory, start_new_session=True
            )
        deadline = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(self.health, timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    pytest.fail((self.directory / "server.log").read_text()[-2000:])
                time.sleep(0.3)

    def __exit__(self, *error: object) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)  # it and its workers, which take a while to end on their own
        self.process.wait(timeout=60)


def test_a_measured_latency_takes_the_place_of_a_predicted_one(directory, experiment, evaluations):
    one = next(evaluation for evaluation in evaluations if evaluation.state == "complete")

    def with_latency(milliseconds, said):
        return replace(one, costs={**one.costs, "latency_ms": milliseconds}, provenance={**one.provenance, "latency": said})

    predicted, measured = with_latency(5.0, {"predicted": True, "tau": 0.9}), with_latency(7.0, {"predicted": False})
    with Tracker.open(experiment.tracking, directory, experiment) as tracker:
        tracker.evaluation(predicted)
        tracker.measured(measured)
        tracker.measured(measured)
    _, (child,) = all_runs(own_uri(directory))
    assert child.data.metrics["latency_ms"] == 7.0 and "'predicted': False" in child.data.tags["autogc.latency"]
    history = client_of(own_uri(directory)).get_metric_history(child.info.run_id, "latency_ms")
    assert history[0].value == 5.0
