"""What a run directory remembers about its runs in MLflow: ``tracking.json``, and the database when it is the directory's own."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from autogc.errors import RunDirectoryError
from autogc.files import read_json, write_json

STATE, UNSENT, DATABASE, ARTIFACTS = "tracking.json", "tracking_unsent.json", "mlflow.db", "mlartifacts"
FORMAT = 1


@dataclass(frozen=True)
class State:
    """``token`` marks the parent run; ``run_id`` and ``experiment_id`` are its ids once it is made, in the store at ``uri``.

    ``reference`` is the hypervolume's reference point: chosen once, so that its curve means the same from end to end.
    ``directory`` is where the run directory was when this was written. ``settled`` says that the last closing delivered everything: a kill,
    or a server that was away, leaves it False.
    """

    token: str
    uri: str
    directory: str
    run_id: str | None = None
    experiment_id: str | None = None
    reference: dict[str, float] | None = None
    settled: bool = False

    @classmethod
    def load(cls, run_directory: Path, *, uri: str | None) -> State:
        """Read the state, or make one; with no ``uri``, the store is the run directory's own."""
        wanted = uri or own_uri(run_directory)
        if not (run_directory / STATE).exists():
            state = cls(token=uuid.uuid4().hex, uri=wanted, directory=str(run_directory))
            state.save()
            return state
        state = cls.reopen(run_directory)
        if state.uri != wanted:
            state = replace(state, uri=wanted, run_id=None, experiment_id=None)  # in another store the parent is another run
            state.save()
        return state

    @classmethod
    def reopen(cls, run_directory: Path) -> State:
        """Read the state of a run directory, which may have been moved or copied since: its own database then moves along."""
        path = run_directory / STATE
        data: Any = read_json(path)
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise RunDirectoryError(f"{path} is not a tracking state of format {FORMAT}; delete it and the runs are tracked anew")
        state = cls(**data)
        before = Path(state.directory)
        if before != run_directory:
            relocate(run_directory, before=before)
            uri = own_uri(run_directory) if state.uri == own_uri(before) else state.uri
            state = replace(state, uri=uri, directory=str(run_directory))
            state.save()
        return state

    def save(self) -> None:
        """Write the state, whole or not at all."""
        write_json(Path(self.directory) / STATE, {"format": FORMAT, **asdict(self)})


def own_uri(run_directory: Path) -> str:
    """Return the URI of the run directory's own database."""
    return f"sqlite:///{run_directory / DATABASE}"


def relocate(run_directory: Path, *, before: Path) -> None:
    """Tell the run directory's own database that its artifacts moved along from ``before``: MLflow keeps absolute addresses."""
    database = run_directory / DATABASE
    if not database.exists():
        return
    old, new = ((directory / ARTIFACTS).as_uri() for directory in (before, run_directory))
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                (new, len(old) + 1, old, len(old) + 1, old + "/"),
            )


def is_remote(uri: str) -> bool:
    """Tell whether a server keeps the runs, and their artifacts with them."""
    return uri.startswith(("http://", "https://", "databricks"))
