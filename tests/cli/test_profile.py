"""``autogc profile``: of a generator alone, of a candidate from a file, of a package, and of what is none of these."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from autogc.cli import main
from autogc.cost import COSTS
from autogc.export import write_package
from autogc.models import completed
from autogc.pipeline.profile import read_candidate
from autogc.pipeline.subject import open_subject

SPACE = {
    "generator": {"name": "resnet", "args": {"base_channels": 16, "blocks": 1, "out_channels": 3}, "input_shape": [3, 16, 16]},
    "supernet": {"decompose": ["blocks.*"]},
    "space": {
        "stages": {"all": ["*"]},
        "dimensions": {
            "width": {"choices": {"stem.conv": [1.0, 0.5]}},
            "operator": {"choices": {"*": ["dense", "separable"]}},
            "weight_bits": {"choices": {"*": [32, 8]}},
            "activation_bits": {"choices": {"*": [32, 8]}},
        },
    },
}
DECISIONS = {"width/stem.conv": 8, "operator/all": "dense", "weight_bits/all": 8, "activation_bits/all": 32}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump(SPACE))
    return path


def shown(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["profile", *map(str, arguments)], env={"COLUMNS": "200"})


def as_json(*arguments: str | Path) -> dict[str, object]:
    result = shown(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)  # nothing but JSON
    return found


@pytest.mark.parametrize("candidate", ["full", "smallest"])
def test_every_cost_is_counted_twice(file: Path, candidate: str) -> None:
    found = as_json(file, "--candidate", candidate)
    assert set(found["costs"]) == set(COSTS)
    memory = found["costs"]["peak_activation_bytes"]
    assert abs(memory["difference"]) < 0.05 * memory["formula"] and found["peak_with_workspaces_bytes"] >= memory["counted"]
    assert all(one["difference"] == 0 for name, one in found["costs"].items() if name != "peak_activation_bytes")
    macs = found["costs"]["macs"]["formula"]
    assert sum(layer["macs"] for layer in found["layers"]) == macs == found["fvcore_by_operator"]["conv"]
    assert found["norm_macs"] == found["fvcore_by_operator"]["instance_norm"] > 0
    result = shown(file, "--candidate", candidate)
    assert result.exit_code == 0 and re.search(rf"MACs +{macs:,} +{macs:,} +0 ", result.output)
    assert "no, shown apart" in result.output and "Next:  autogc" in result.output


def test_a_file_of_decisions_and_a_package_are_the_same_subnet(file: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen.json"
    chosen.write_text(json.dumps(DECISIONS))
    subject = open_subject(file)
    candidate = read_candidate(str(chosen), subject)
    write_package(
        tmp_path / "package",
        supernet=subject.supernet,
        candidate=candidate,
        generator=completed(subject.experiment.generator, in_channels=3, out_channels=3),
        input_shape=subject.example.shape,
        costs={"macs": subject.costs.costs(candidate)["macs"], "latency_ms": 1.0},  # as an earlier version wrote it
        scores={},
        experiment={},
        provenance={},
    )
    by_decisions, by_file = (as_json(file, "--candidate", path) for path in (chosen, tmp_path / "package" / "candidate.json"))
    package = as_json(tmp_path / "package")
    assert by_decisions["candidate"] == by_file["candidate"] == package["candidate"]
    assert by_decisions["layers"] == by_file["layers"] == package["layers"]
    assert [package["costs"][name]["formula"] is None for name in COSTS] == [name != "macs" for name in COSTS]
    exact = set(COSTS) - {"peak_activation_bytes"}
    assert all(package["costs"][name]["counted"] == by_file["costs"][name]["counted"] for name in exact)


BAD = [
    ("smalest", "no candidate 'smalest': full and smallest work, or a file such as a package's candidate.json"),
    ("{", "not JSON"),
    ("[1]", "holds a list; a package's candidate.json works, or a value for every decision"),
    (json.dumps(DECISIONS | {"operator/all": "sparse"}), "'operator/all' can't be 'sparse'; its values: dense, separable"),
    (json.dumps({"operator/al": "dense"}), "no decision named 'operator/al': did you mean 'operator/all'"),
    (json.dumps({"format": 1, "choices": {"width": {"stem.convv": 8}}}), "did you mean 'stem.conv'"),
    (json.dumps({"format": 9, "choices": {}}), "not a candidate of format 1: found 9"),
]


@pytest.mark.parametrize(("written", "message"), BAD)
def test_what_is_no_candidate_is_one_message(file: Path, tmp_path: Path, written: str, message: str) -> None:
    path = tmp_path / "candidate.json"
    if written != "smalest":
        path.write_text(written)
    result = shown(file, "--candidate", path if path.exists() else written)
    assert result.exit_code == 2 and message in result.stderr and "Traceback" not in result.output


def test_what_is_no_package_is_one_message(file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "is not a package" in shown(tmp_path / "empty").stderr
    (tmp_path / "empty" / "experiment.yaml").write_text("")
    assert "is a run directory; name a package in it (it has none yet: autogc export" in shown(tmp_path / "empty").stderr
    assert "--candidate and --set go with a SPACE.yaml" in shown(tmp_path / "empty", "--candidate", "full").stderr
    assert "--source and --trust-source go with a package" in shown(file, "--trust-source").stderr
