"""A training that is killed for real, at any moment, again and again."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_experiment import OPTIMIZATION, make_experiment

from autogc.files import sha256_file
from autogc.training import newest_step, train_teacher

STEPS = 60


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_the_same(tmp_path: Path) -> None:
    experiment = make_experiment(teacher={**OPTIMIZATION, "steps": STEPS, "checkpoint_every": 1})
    train_teacher(experiment, tmp_path / "whole")
    script = tmp_path / "train.py"
    script.write_text(
        "import sys\n"
        "from autogc.config.experiment import Experiment\n"
        "from autogc.training import train_teacher\n"
        "train_teacher(Experiment.model_validate_json(sys.argv[1]), sys.argv[2])\n"
    )
    command = [sys.executable, str(script), experiment.model_dump_json(), str(tmp_path / "cut")]
    moments, kills, seen = random.Random(0), 0, 0
    while not (tmp_path / "cut" / "result.json").exists():
        process = subprocess.Popen(command)
        # Wait until it has got further than the last one, then a moment that may be in the middle of a step or of a checkpoint.
        while process.poll() is None and (newest_step(tmp_path / "cut") or 0) <= seen:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.5))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        seen = newest_step(tmp_path / "cut") or seen
    assert kills >= 2
    for path in (tmp_path / "whole").glob("*.safetensors"):
        assert sha256_file(tmp_path / "cut" / path.name) == sha256_file(path)
    assert (tmp_path / "cut" / "history.json").read_text() == (tmp_path / "whole" / "history.json").read_text()
    assert not (tmp_path / "cut" / "checkpoints").exists()
