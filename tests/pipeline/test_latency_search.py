"""A search for latency: predicted before it, measured for the front after it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autogc.config.load import load_experiment
from autogc.cost.latency import LatencyTable, Setting, build
from autogc.errors import ConfigError
from autogc.pipeline import Run, check, run_stages
from autogc.pipeline.latency import is_predicted
from autogc.search import Ledger, front

LATENCY = ["search.objectives=[fid, latency_ms]", "search.constraints={latency_ms: 10000}", "scores.latency.threads=1"]


def test_a_table_of_elsewhere_is_refused_before_anything_is_trained(tiny: Path, tmp_path: Path) -> None:
    experiment = load_experiment(tiny, overrides=[*LATENCY, f"scores.latency.table={tmp_path / 'table.json'}"])
    with pytest.raises(ConfigError, match="there is no latency table"):
        check(experiment)
    here = Setting.here(experiment.scores.latency)
    LatencyTable(Setting(here.device, "eager", 64)).write(tmp_path / "table.json")
    with pytest.raises(ConfigError, match="64 threads, eager; here it is"):
        check(experiment)


@pytest.mark.slow
def test_a_search_for_latency(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MOST": 4, "LEARNED": {"eager": 4}, "HELD_OUT": {"eager": 2}, "PASSES": {"eager": 1}}.items():
        monkeypatch.setattr(build, name, value)
    experiment = load_experiment(tiny, overrides=LATENCY)
    with Run.open(tmp_path / "run", experiment) as run:
        run_stages(run, until="export")
        evaluations = run.evaluations
        members = front(evaluations, experiment.search.objectives, experiment.search.constraints)
        assert members and not any(is_predicted(one) for one in members)
        ledger = {one.trial: one for one in Ledger(tmp_path / "run" / "search").read()}
        assert all(is_predicted(one) for one in ledger.values())
        for one in members:
            said = one.provenance["latency"]
            assert said["median_ms"] == one.costs["latency_ms"] and said["backend"] == "eager" and said["runs"] == 3
            assert said["predicted_ms"] == ledger[one.trial].costs["latency_ms"]
            assert set(ledger[one.trial].provenance["latency"]) >= {"tau", "median_error", "held_out", "device", "threads"}
        costs = json.loads((run.exported / "costs.json").read_text())
        chosen = next(one for one in members if one.candidate.hash == run.exported.name)
        assert costs["latency_ms"] == chosen.costs["latency_ms"]
        assert "with eager on" in (run.exported / "README.md").read_text()
