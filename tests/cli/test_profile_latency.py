"""``autogc profile`` and latency: measured, predicted from a table that it builds, and tables that don't fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from autogc.cli import main
from autogc.cost.latency import build

SPACE = {
    "generator": {"name": "resnet", "args": {"base_channels": 16, "blocks": 1, "out_channels": 3}, "input_shape": [3, 16, 16]},
    "space": {"stages": {"all": ["*"]}, "dimensions": {"width": {"choices": {"*": [1.0, 0.5]}}}},
    "scores": {"latency": {"threads": 1, "warmup": 1, "runs": 3, "patience_s": 0}},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump(SPACE))
    return path


def profile(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["profile", *map(str, arguments)])


def test_measured_and_predicted(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MOST": 3, "LEARNED": {"eager": 3}, "HELD_OUT": {"eager": 2}, "PASSES": {"eager": 1}}.items():
        monkeypatch.setattr(build, name, value)
    table = tmp_path / "table.json"
    built = profile(file, "--build-latency-table", table, "--latency", "--json")
    assert built.exit_code == 0, built.output
    said = json.loads(built.stdout)["latency"]
    assert said["measured"]["runs"] == 3 and said["measured"]["backend"] == "eager" and said["measured"]["median_ms"] > 0
    assert said["predicted"]["latency_ms"] > 0 and said["predicted"]["held_out"] == 2 and said["predicted"]["table"] == str(table)
    written = table.stat().st_mtime_ns
    again = profile(file, "--latency-table", table, "--candidate", "smallest")
    assert again.exit_code == 0, again.output
    assert "Latency, predicted:" in again.stdout and "Kendall's tau" in again.stdout and "Latency, measured" not in again.stdout
    assert table.stat().st_mtime_ns == written
    elsewhere = profile(file, "--latency-table", table, "--set", "scores.latency.threads=2")
    assert elsewhere.exit_code == 2 and "1 threads, eager; here it is" in elsewhere.output


def test_what_does_not_go_together_is_refused(file: Path, tmp_path: Path) -> None:
    assert "exclude each other" in profile(file, "--build-latency-table", "a", "--latency-table", "b").output
    assert "there is no latency table" in profile(file, "--latency-table", tmp_path / "none.json").output
    assert "tables go with a SPACE.yaml" in profile(tmp_path, "--latency-table", "b").output
    absent = profile(file, "--latency", "--set", "scores.latency.device=cuda:9")
    assert absent.exit_code == 2 and "cuda:9" in absent.output
