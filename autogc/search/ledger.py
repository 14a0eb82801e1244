"""The ledger: every evaluation on disk as Parquet, before anybody else hears of it.

Each evaluation is a part file of one row; many parts are merged into one. A file is written beside and renamed, so a reader never
sees half of one, and a kill while merging leaves rows twice at worst: they are told apart by the candidate's hash.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from autogc.config.experiment import COSTS, SCORES
from autogc.errors import CheckpointError
from autogc.files import replacing
from autogc.supernet.candidate import Candidate

SCORE, COST = "score_", "cost_"


@dataclass(frozen=True)
class Evaluation:
    """What is known of one candidate after its evaluation.

    ``state`` is ``complete`` (with scores), ``failed`` or ``screened`` (too bad on the first images to be scored on all; both with a
    ``reason``). ``scores`` and ``costs`` go by their names in the experiment
    file; ``provenance`` says what judged; ``seed`` is what the evaluation's random numbers were seeded with; times are in UTC.
    """

    trial: int
    candidate: Candidate
    genotype: dict[str, Any]
    state: Literal["complete", "screened", "failed"]
    reason: str | None
    scores: dict[str, float]
    costs: dict[str, float]
    provenance: dict[str, Any]
    seed: int
    versions: dict[str, str]
    started: datetime
    finished: datetime
    worker: str

    @property
    def first(self) -> dict[str, Any] | None:
        """What the first images alone said, ``{"images": how many, "scores": by name}``; None where they were not looked at alone."""
        return self.provenance.get("first")

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Around each score the interval (lower, upper) that 95 % of resamples of the images lie in; of those for which it is known."""
        return {name: (ends[0], ends[1]) for name, ends in self.provenance.get("intervals", {}).items()}

    @property
    def duration_s(self) -> float:
        """Seconds from start to finish."""
        return (self.finished - self.started).total_seconds()


class Ledger:
    """The evaluations of one search, in ``directory/ledger``. One process writes; any may read, ``pandas.read_parquet`` too.

    Columns: ``trial``, ``hash``, ``state``, ``reason``, ``score_NAME`` and ``cost_NAME`` (float64, null where there is none),
    ``candidate``, ``genotype``, ``versions`` and ``provenance`` as JSON, ``seed``, ``started``, ``finished``, ``duration_s``, ``worker``.
    """

    def __init__(self, directory: str | Path, *, merge_after: int = 64) -> None:
        self.directory = Path(directory) / "ledger"
        self._merge_after = merge_after

    def append(self, evaluation: Evaluation) -> None:
        """Write one evaluation, whole or not at all; it is on disk when this returns."""
        name = f"evaluation-{evaluation.trial:06d}-{evaluation.candidate.hash}.parquet"
        self._write(self.directory / name, [evaluation])
        parts = list(self.directory.glob("evaluation-*.parquet"))
        if len(parts) >= self._merge_after:
            self._merge()

    def read(self) -> list[Evaluation]:
        """Return every evaluation once, in order of trial numbers. Raises CheckpointError, naming the file, where one is damaged."""
        found: dict[str, Evaluation] = {}
        for row in self._rows():
            found.setdefault(row["hash"], _evaluation(row))
        return sorted(found.values(), key=lambda evaluation: evaluation.trial)

    def hashes(self) -> set[str]:
        """Return the hashes of the candidates that were evaluated."""
        return {row["hash"] for row in self._rows(columns=["hash"])}

    def _files(self) -> list[Path]:
        return sorted(path for path in self.directory.glob("*.parquet") if not path.name.startswith("."))

    def _rows(self, columns: list[str] | None = None) -> list[dict[str, Any]]:
        while True:
            try:
                return [row for path in self._files() for row in _rows(path, columns=columns)]
            except FileNotFoundError:
                continue  # The writer merged the parts since they were listed: what they held is in another file now.

    def _merge(self) -> None:
        """Put all rows into one new file, then remove the files that they came from."""
        old = self._files()
        evaluations = self.read()
        merged = self.directory / f"merged-{len(evaluations):06d}.parquet"
        self._write(merged, evaluations)
        for path in old:
            if path != merged:
                path.unlink()

    def _write(self, path: Path, evaluations: Iterable[Evaluation]) -> None:
        rows = [_row(evaluation) for evaluation in evaluations]
        measured = dict.fromkeys([f"{SCORE}{name}" for name in SCORES] + [f"{COST}{name}" for name in COSTS])
        for row in rows:
            measured.update(dict.fromkeys(key for key in row if key.startswith((SCORE, COST))))
        table = pa.Table.from_pylist(rows, schema=_schema(measured))
        with replacing(path) as beside:
            pq.write_table(table, beside)


def _schema(measured: Iterable[str]) -> pa.Schema:
    moment = pa.timestamp("us", tz="UTC")
    return pa.schema(
        [("trial", pa.int64()), ("hash", pa.string()), ("state", pa.string()), ("reason", pa.string())]
        + [(name, pa.float64()) for name in measured]
        + [(name, pa.string()) for name in ("candidate", "genotype", "versions", "provenance")]
        + [("seed", pa.int64()), ("started", moment), ("finished", moment), ("duration_s", pa.float64()), ("worker", pa.string())]
    )


def _row(evaluation: Evaluation) -> dict[str, Any]:
    assert all(math.isfinite(value) for value in (*evaluation.scores.values(), *evaluation.costs.values())), (
        "a state, not a NaN, says failed"
    )
    return {
        "trial": evaluation.trial,
        "hash": evaluation.candidate.hash,
        "state": evaluation.state,
        "reason": evaluation.reason,
        **{f"{SCORE}{name}": float(value) for name, value in evaluation.scores.items()},
        **{f"{COST}{name}": float(value) for name, value in evaluation.costs.items()},
        "candidate": json.dumps(evaluation.candidate.to_json(), sort_keys=True),
        "genotype": json.dumps(evaluation.genotype),
        "versions": json.dumps(evaluation.versions, sort_keys=True),
        "provenance": json.dumps(evaluation.provenance, sort_keys=True),
        "seed": evaluation.seed,
        "started": evaluation.started,
        "finished": evaluation.finished,
        "duration_s": evaluation.duration_s,
        "worker": evaluation.worker,
    }


def _rows(path: Path, columns: list[str] | None = None) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, columns=columns).to_pylist()
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable part of a ledger ({error}); take it out of the directory to go on without it"
        ) from None
    return rows


def _evaluation(row: Mapping[str, Any]) -> Evaluation:
    def named(prefix: str) -> dict[str, float]:
        return {key.removeprefix(prefix): value for key, value in row.items() if key.startswith(prefix) and value is not None}

    return Evaluation(
        trial=row["trial"],
        candidate=Candidate.from_json(json.loads(row["candidate"])),
        genotype=json.loads(row["genotype"]),
        state=row["state"],
        reason=row["reason"],
        scores=named(SCORE),
        costs=named(COST),
        provenance=json.loads(row["provenance"]),
        seed=row["seed"],
        versions=json.loads(row["versions"]),
        started=row["started"],
        finished=row["finished"],
        worker=row["worker"],
    )
