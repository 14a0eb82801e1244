"""How to look at a run in the MLflow UI."""

from __future__ import annotations

import sys
from pathlib import Path

from autogc.errors import MissingStageError, RunDirectoryError
from autogc.tracking.state import ARTIFACTS, STATE, State, is_remote


def ui_command(run_directory: str | Path, *, port: int = 5000, host: str = "127.0.0.1") -> list[str]:
    """Return the command that serves the MLflow UI of a run directory, to this machine only unless ``host`` says otherwise.

    A run directory that was moved or copied since is put in order first. Set ``MLFLOW_DISABLE_TELEMETRY=true`` for the process.
    Raises MissingStageError where nothing was tracked yet, RunDirectoryError where a server elsewhere has the run.
    """
    state = _state_of(run_directory)
    if is_remote(state.uri):
        raise RunDirectoryError(f"{run_directory} is tracked by a server: open {state.uri} in a browser")
    artifacts = Path(state.directory) / ARTIFACTS
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", state.uri),
        *("--registry-store-uri", state.uri),
        *("--artifacts-destination", artifacts.as_uri()),
        *("--host", host),
        *("--port", str(port)),
        *("--workers", "1"),
    ]


def ui_address(run_directory: str | Path, *, port: int = 5000, host: str = "127.0.0.1") -> str:
    """Return the address of the run's page: the parent's artifacts, opened at the front, once there is a parent."""
    state = _state_of(run_directory)
    root = state.uri.rstrip("/") if is_remote(state.uri) else f"http://{host}:{port}"
    if state.run_id is None:
        return root
    return f"{root}/#/experiments/{state.experiment_id}/runs/{state.run_id}/artifacts/front/front.html"


def _state_of(run_directory: str | Path) -> State:
    directory = Path(run_directory).resolve()
    if not (directory / STATE).exists():
        raise MissingStageError(f"nothing is tracked in {run_directory} yet: `autogc run` begins with it, unless tracking.enabled is false")
    return State.reopen(directory)
