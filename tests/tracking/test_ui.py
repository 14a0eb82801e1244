from __future__ import annotations

import pytest

from autogc.errors import MissingStageError, RunDirectoryError
from autogc.tracking import ui_address, ui_command
from autogc.tracking.state import State


def test_the_ui_is_for_this_machine_and_finds_the_artifacts(tmp_path):
    State.load(tmp_path, uri=None)
    command = ui_command(tmp_path, port=5123)
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert command[1:4] == ["-m", "mlflow", "server"]
    assert options["--host"] == "127.0.0.1" and options["--port"] == "5123"
    assert options["--backend-store-uri"] == f"sqlite:///{tmp_path}/mlflow.db"
    assert options["--artifacts-destination"] == (tmp_path / "mlartifacts").as_uri()
    assert ui_address(tmp_path, port=5123) == "http://127.0.0.1:5123"


def test_nothing_tracked_yet(tmp_path):
    with pytest.raises(MissingStageError, match="autogc run"):
        ui_command(tmp_path)


def test_a_run_on_a_server_is_looked_at_there(tmp_path):
    State.load(tmp_path, uri="http://tracking.example:5000/")
    with pytest.raises(RunDirectoryError, match=r"open http://tracking\.example:5000/"):
        ui_command(tmp_path)


def test_another_store_is_another_parent(tmp_path):
    from dataclasses import replace

    replace(State.load(tmp_path, uri=None), run_id="1234", experiment_id="1").save()
    assert ui_address(tmp_path).endswith("/#/experiments/1/runs/1234/artifacts/front/front.html")
    assert State.load(tmp_path, uri=None).run_id == "1234"
    assert State.load(tmp_path, uri="http://127.0.0.1:9").run_id is None


def test_a_state_of_another_format(tmp_path):
    (tmp_path / "tracking.json").write_text('{"format": 99}')
    with pytest.raises(RunDirectoryError, match="format 1"):
        ui_command(tmp_path)
