"""A run directory belongs to one experiment and to one process at a time."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autogc.config.load import load_experiment
from autogc.errors import RunDirectoryError
from autogc.files import write_json
from autogc.pipeline import Run
from autogc.pipeline.stages import search


def test_a_run_is_created_and_opened_again(tiny: Path, tmp_path: Path) -> None:
    experiment = load_experiment(tiny)
    with Run.open(tmp_path / "run", experiment):
        pass
    with Run.reopen(tmp_path / "run") as run:
        assert run.experiment == experiment


def test_another_experiment_is_refused_with_every_differing_key(tiny: Path, tmp_path: Path) -> None:
    Run.open(tmp_path / "run", load_experiment(tiny)).close()
    (tmp_path / "run" / "teacher").mkdir()
    other = load_experiment(tiny, overrides=["teacher.steps=5", "data.args.height=64", "search.evaluations=9"])
    with pytest.raises(RunDirectoryError) as caught:
        Run.open(tmp_path / "run", other)
    message = str(caught.value)
    assert "teacher.steps: 4 -> 5" in message
    assert "data.args.height: 32 -> 64" in message
    assert "search.evaluations: 4" not in message


def test_a_run_that_was_refused_before_anything_was_made_does_not_keep_its_directory(tiny: Path, tmp_path: Path) -> None:
    Run.open(tmp_path / "run", load_experiment(tiny)).close()
    other = load_experiment(tiny, overrides=["teacher.steps=5"])
    Run.open(tmp_path / "run", other).close()
    with Run.reopen(tmp_path / "run") as run:
        assert run.experiment == other


def test_what_may_change_is_taken_over(tiny: Path, tmp_path: Path) -> None:
    Run.open(tmp_path / "run", load_experiment(tiny)).close()
    Run.open(tmp_path / "run", load_experiment(tiny, overrides=["search.evaluations=9", "export.pick=best"])).close()
    with Run.reopen(tmp_path / "run") as run:
        assert (run.experiment.search.evaluations, run.experiment.export.pick) == (9, "best")


def test_a_directory_of_something_else_is_refused(tiny: Path, tmp_path: Path) -> None:
    experiment = load_experiment(tiny)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"")
    with pytest.raises(RunDirectoryError, match="no run directory"):
        Run.open(tmp_path / "photos", experiment)
    with pytest.raises(RunDirectoryError, match="is a file"):
        Run.open(tiny, experiment)
    with pytest.raises(RunDirectoryError, match="is not a run directory"):
        Run.reopen(tmp_path / "photos")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


HOLD = """
import sys, time
from autogc.pipeline.lock import DirectoryLock
from pathlib import Path
lock = DirectoryLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_two_processes_do_not_share_a_run_and_a_killed_one_lets_go(tiny: Path, tmp_path: Path) -> None:
    experiment = load_experiment(tiny)
    Run.open(tmp_path / "run", experiment).close()
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(RunDirectoryError, match=f"in use by another autogc process \\(id {holder.pid}\\)"):
            Run.open(tmp_path / "run", experiment)
        Run.reopen(tmp_path / "run", exclusive=False).close()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    Run.open(tmp_path / "run", experiment).close()


def test_what_a_kill_left_half_written_is_settled(tiny: Path, tmp_path: Path) -> None:
    experiment = load_experiment(tiny)
    Run.open(tmp_path / "run", experiment).close()
    finetune = tmp_path / "run" / "finetune"
    for name in (".abc.x1.part", ".abc.x2.old/abc", "def", ".def.x3.old/def"):
        (finetune / name).mkdir(parents=True)
        (finetune / name / "file").write_text(name)
    (tmp_path / "run" / ".experiment.yaml.x.part").write_text("half")
    Run.open(tmp_path / "run", experiment).close()
    assert sorted(path.name for path in finetune.iterdir()) == ["abc", "def"]
    assert (finetune / "abc" / "file").read_text() == ".abc.x2.old/abc"
    assert (finetune / "def" / "file").read_text() == "def"
    assert not list(tmp_path.rglob("*.part"))


def test_a_run_that_was_killed_before_its_experiment_was_written_is_opened(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    (tmp_path / "run" / ".experiment.yaml.x7.part").write_text("name: ti")
    Run.open(tmp_path / "run", load_experiment(tiny)).close()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".lock", "experiment.yaml"]


def test_a_search_of_a_space_that_ran_out_is_done(tiny: Path, tmp_path: Path) -> None:
    directory, wanted = tmp_path / "run", "search.evaluations=40"
    with Run.open(directory, load_experiment(tiny, overrides=[wanted])) as run:
        write_json(directory / "search" / "result.json", {"asked": 40, "evaluations": 12, "complete": 12})
        assert search.STAGE.done(run)
    with Run.open(directory, load_experiment(tiny, overrides=["search.evaluations=60"])) as run:
        assert not search.STAGE.done(run)
