"""Where Optuna keeps the study: one SQLite file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import event

# Optuna tells of every study and trial on standard error; only what may be wrong is for the user.
optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_storage(path: Path) -> optuna.storages.RDBStorage:
    """Open, or create, the study's database.

    A proposal is some thirty transactions, one for each parameter and attribute, which the default journal brings to the disk one by one
    (0.5 s on a busy disk). A write-ahead log that is synchronised now and then survives a killed process whole; a power cut can cost the
    last proposals, which the ledger makes good: it is on disk first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}")

    def prepare(connection: Any, record: object) -> None:
        del record
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    event.listen(storage.engine, "connect", prepare)
    storage.engine.dispose()  # Connections that were made before know nothing of it.
    return storage


@contextmanager
def experimental() -> Iterator[None]:
    """Use what Optuna calls experimental without its warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
