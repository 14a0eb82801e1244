"""kill -9 in each stage, then the same command: it finishes, with no evaluation repeated or missing."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autogc.pipeline import Report
from autogc.search import Ledger

# What a stage leaves on disk while it is at work: when that is there, the process is killed.
AT_WORK = {
    "teacher": "teacher/checkpoints/step-*",
    "supernet": "supernet/checkpoints/step-*",
    "search": "search/ledger/*.parquet",
    "export": "search/result.json",
    "finetune": "finetune/*/checkpoints/step-*",
    "report": "report/measured/*.json",
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", AT_WORK)
def test_a_killed_run_is_finished_by_the_same_command(tiny: Path, tmp_path: Path, stage: str) -> None:
    directory = tmp_path / "run"
    # Steps enough that a stage is still at work when its first traces are seen.
    longer = {"steps": 30, "checkpoint_every": 5}
    sets = [f"--set={name}.{key}={value}" for name in ("teacher", "supernet", "finetune") for key, value in longer.items()]
    command = [sys.executable, "-m", "autogc", "run", str(tiny), "--run-dir", str(directory), *sets, "--set=search.evaluations=8"]
    kill_when(command, directory, AT_WORK[stage])
    assert not (directory / "report" / "result.json").exists()
    before = {one.candidate.hash: (one.trial, one.finished, one.scores) for one in Ledger(directory / "search").read()}

    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    evaluations = Ledger(directory / "search").read()
    assert len(evaluations) == 8 == len({one.candidate.hash for one in evaluations})
    after = {one.candidate.hash: (one.trial, one.finished, one.scores) for one in evaluations}
    assert {name: after[name] for name in before} == before
    assert len(Report.of(directory).rows) == 3
    assert not list(directory.rglob("*.part"))


def kill_when(command: list[str], directory: Path, trace: str) -> None:
    """Run ``command`` and kill it as soon as something matches ``trace`` in ``directory``."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not any(directory.glob(trace)):
        assert process.poll() is None, f"it ended before {trace} was there: {process.stderr.read() if process.stderr else ''}"
        assert time.monotonic() < deadline, f"no {trace} within five minutes"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
