from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas
import pyarrow.parquet as pq
import pytest

from autogc.errors import CheckpointError
from autogc.search import Evaluation, Ledger
from autogc.supernet import Candidate


def evaluation(trial: int) -> Evaluation:
    started = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC) + timedelta(seconds=trial)
    return Evaluation(
        trial=trial,
        candidate=Candidate({"width": {"stem": trial}, "weight_bits": {"head": 8}}),
        genotype={"width/stem": trial, "format/head": "codebook:16"},
        state="complete",
        reason=None,
        scores={"fid": 1 / 3 + trial},
        costs={"macs": 2.0**40 + trial, "latency_ms": 1.25},
        provenance={"network": "a network", "images": 8},
        seed=2**32 - 1,
        versions={"torch": "2"},
        started=started,
        finished=started + timedelta(seconds=1.5),
        worker="machine:7",
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    failed = replace(evaluation(1), state="failed", reason="MetricError: fid is nan", scores={})
    assert ledger.read() == []
    ledger.append(failed)
    ledger.append(evaluation(0))
    assert ledger.read() == [evaluation(0), failed]
    assert ledger.hashes() == {evaluation(0).candidate.hash, failed.candidate.hash}


def test_merging_keeps_every_row_and_few_files(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, merge_after=5)
    for trial in range(23):
        ledger.append(evaluation(trial))
    assert ledger.read() == [evaluation(trial) for trial in range(23)]
    assert len(list(ledger.directory.iterdir())) <= 5


def test_a_kill_at_any_point_of_merging_loses_and_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    for survived in range(6):
        directory = tmp_path / str(survived)
        ledger = Ledger(directory, merge_after=5)
        calls = 0

        def unlink(path: Path, missing_ok: bool = False, *, survived: int = survived, original: object = Path.unlink) -> None:
            nonlocal calls
            if path.name.startswith("evaluation-"):
                if calls == survived:
                    raise Killed
                calls += 1
            original(path, missing_ok=missing_ok)  # type: ignore[operator]

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", unlink)
            try:
                for trial in range(5):
                    ledger.append(evaluation(trial))
            except Killed:
                assert survived < 5
        assert Ledger(directory).read() == [evaluation(trial) for trial in range(5)]
        again = Ledger(directory, merge_after=2)
        again.append(evaluation(5))
        assert again.read() == [evaluation(trial) for trial in range(6)]


def test_a_reader_that_meets_the_writer_merging_reads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path, merge_after=3)
    for trial in range(2):
        ledger.append(evaluation(trial))
    reader, listed = Ledger(tmp_path), Ledger(tmp_path)._files()
    listings = iter([listed])

    def files() -> list[Path]:
        stale = next(listings, None)
        if stale is not None:
            ledger.append(evaluation(2))  # merges, so what was listed is gone
            return stale
        return ledger._files()

    monkeypatch.setattr(reader, "_files", files)
    assert [one.trial for one in reader.read()] == [0, 1, 2]


def test_pandas_reads_the_directory_with_plain_columns(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for trial in range(3):
        ledger.append(evaluation(trial))
    (ledger.directory / ".evaluation.parquet.xyz.part").write_bytes(b"cut off")
    table = pandas.read_parquet(ledger.directory)
    assert table["score_fid"].dtype == "float64" and table["cost_macs"].tolist() == [2.0**40, 2.0**40 + 1, 2.0**40 + 2]
    assert table["score_miou"].isna().all() and table["duration_s"].tolist() == [1.5] * 3
    assert set(table.columns) >= {"trial", "hash", "candidate", "genotype", "state", "reason", "seed", "versions", "started", "worker"}


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(evaluation(0))
    part = next(ledger.directory.glob("*.parquet"))
    assert pq.read_table(part).num_rows == 1
    part.write_bytes(part.read_bytes()[:200])
    with pytest.raises(CheckpointError, match=part.name):
        Ledger(tmp_path).read()


def test_a_nan_is_a_defect_not_a_value(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        Ledger(tmp_path).append(replace(evaluation(0), scores={"fid": float("nan")}))
