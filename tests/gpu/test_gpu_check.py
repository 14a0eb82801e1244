"""``scripts/gpu_check``, tried on a CPU."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ROOT / "scripts" / "gpu_check"
sys.path.append(str(ROOT / "scripts" / "gpu"))

from outcomes import Outcome, table  # noqa: E402
from supervisor import supervise  # noqa: E402
from wheels import WheelError, install  # noqa: E402

# A worker whose checks do what their names say.
WORKER = """
import json, sys, time
given = json.loads(sys.argv[1])
def tell(**line):
    with open(given["results"], "a") as stream:
        stream.write(json.dumps(line) + "\\n")
for name in given["checks"]:
    tell(check=name, state="begun")
    if name == "dies":
        print("out of luck", file=sys.stderr)
        sys.exit(7)
    if name == "hangs":
        time.sleep(60)
    state = name.split()[0] if name.split()[0] in ("failed", "skipped") else "passed"
    tell(check=name, state=state, seconds=0.5, why=f"it {state}", details={"number": 1})
"""
# A package that this Python refuses to find.
REFUSING = """
import sys
refused = set(sys.argv[1].split(","))
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])
sys.meta_path.insert(0, Refusing())
sys.path[:0] = sys.argv[2:]
import json
from machine import imports
from findings import Failed
try:
    said, details = imports({})
except Failed as failed:
    said, details = str(failed), failed.details
print(json.dumps([said, details]))
"""


def run_checks(tmp_path: Path, limits: dict[str, float], *, seconds: float = 60.0) -> list[Outcome]:
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    return list(supervise([sys.executable, str(worker)], limits, {}, seconds=seconds, environment={}))


def test_a_check_that_fails_dies_or_hangs_keeps_none_from_running(tmp_path: Path):
    limits = {"device": 30.0, "failed one": 30.0, "dies": 30.0, "skipped one": 30.0, "hangs": 1.0, "last": 30.0}
    found = run_checks(tmp_path, limits)
    assert [(one.check, one.state) for one in found] == [
        ("device", "passed"),
        ("failed one", "failed"),
        ("dies", "failed"),
        ("skipped one", "skipped"),
        ("hangs", "failed"),
        ("last", "passed"),
    ]
    assert found[2].why == "its process ended with 7: out of luck" and "still running" in found[4].why
    assert table(found).splitlines()[-1].startswith("2 passed, 3 failed, 1 skipped")


def test_without_the_device_nothing_is_tried(tmp_path: Path):
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER.replace('"passed"', '"failed"'))
    found = list(supervise([sys.executable, str(worker)], {"device": 30, "other": 30}, {}, seconds=60, environment={}))
    assert [one.state for one in found] == ["failed", "skipped"] and "did not pass" in found[1].why


def test_what_the_minutes_do_not_suffice_for_is_skipped(tmp_path: Path):
    found = run_checks(tmp_path, {"device": 30.0, "hangs": 30.0, "last": 30.0}, seconds=3.0)
    assert [one.state for one in found] == ["passed", "failed", "skipped"]
    assert "minutes were over" in found[1].why and "minutes were over" in found[2].why


def test_carried_wheels_are_installed_where_the_machine_lacks_them(tmp_path: Path):
    carried = tmp_path / "carried"
    carried.mkdir()
    with pytest.raises(WheelError, match=r"no \.whl file"):
        install(carried, tmp_path / "target")
    for name in ("autogc_carried_example", "numpy"):
        with zipfile.ZipFile(carried / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", "")
            wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")
    said = install(carried, tmp_path / "target")
    assert (tmp_path / "target" / "autogc_carried_example" / "__init__.py").is_file() and not (tmp_path / "target" / "numpy").exists()
    assert any("the machine's own" in line for line in said) and any("installed for this command" in line for line in said)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "autogc_broken-1.0-py3-none-any.whl").write_text("no wheel")
    with pytest.raises(WheelError, match="broken"):
        install(broken, tmp_path / "target")


def imports_without(*packages: str) -> tuple[str, dict[str, dict[str, list[str]]]]:
    command = [sys.executable, "-c", REFUSING, ",".join(packages), str(ROOT / "scripts" / "gpu"), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said, details = json.loads(done.stdout.splitlines()[-1])
    return said, details


def test_all_below_the_search_is_imported_with_torch_fvcore_and_pyarrow():
    """And pydantic, which experiment files are read with."""
    refused = (
        "ray",
        "mlflow",
        "optuna",
        "click",
        "rich",
        "deepspeed",
        "sqlalchemy",
        "scipy",
        "pandas",
        "matplotlib",
        "plotly",
        "onnxruntime",
    )
    said, details = imports_without(*refused)
    assert said.startswith("all below the search; without ") and not details["broken"]
    assert set(details["lacking"]) <= {"ray", "optuna", "scipy", "click", "mlflow"}
    for below in ("training", "cost", "export", "metrics", "supernet", "search.evaluator", "search.ledger"):
        assert not [name for names in details["lacking"].values() for name in names if name.startswith(f"autogc.{below}")]


def test_a_package_that_is_needed_is_named_with_what_needs_it():
    said, _ = imports_without("pydantic")
    assert "without pydantic there is no" in said and "autogc.config.experiment" in said


def test_the_command_says_what_passed_and_writes_it_down(tmp_path: Path):
    results = tmp_path / "results.json"
    only = [word for name in ("device", "subnets", "latency", "peak memory", "train autocast") for word in ("--only", name)]
    command = [str(COMMAND), "--device", "cpu", "--tiny", "--json", str(results), *only]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    found = {one["check"]: one for one in json.loads(results.read_text())["checks"]}
    # Two clocks of a busy machine may differ; all else may not.
    assert {name for name, one in found.items() if one["state"] != "passed"} <= {"latency"}, done.stdout + done.stderr
    assert list(found) == ["device", "subnets", "train autocast", "latency", "peak memory"]
    assert done.returncode == int(found["latency"]["state"] == "failed")
    assert "milliseconds per step" in done.stdout and f"{results} has this as data" in done.stdout
    assert all(row["held_bytes"] == row["counted_bytes"] for row in found["peak memory"]["details"]["measured"])


def test_without_a_gpu_the_command_says_so_and_fails(tmp_path: Path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    done = subprocess.run(
        [str(COMMAND), "--only", "device", "--only", "latency"], capture_output=True, text=True, check=False, env=_environment()
    )
    assert done.returncode == 1 and "sees no CUDA device here; --device cpu" in done.stdout and "1 skipped" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--minutes", "0"], "must be positive"),
        (["--json", "/nowhere/at/all.json"], "there is no directory"),
        (["--only", "all"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], said: str):
    done = subprocess.run([str(COMMAND), *arguments], capture_output=True, text=True, check=False, env=_environment())
    assert done.returncode == 2 and said in done.stderr


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
