"""A generator that nobody here has seen, from a single file: inspected, searched, exported, without a line of the package about it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import autogc
from autogc.errors import CheckpointError
from autogc.pipeline.inspection import inspect
from autogc.search import Ledger

UNSEEN = Path(__file__).parent / "unseen"


def run_autogc(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "autogc", *map(str, arguments)], capture_output=True, text=True)


def test_it_is_inspected() -> None:
    found = inspect(UNSEEN / "loom.yaml")
    groups = {group.name: group for group in found.supernet.discovery.groups}
    # The trunk: refined twice, gated by halves of one convolution, attended to; GroupNorm's 4 groups make 16 classes of 64 channels.
    assert groups["fold"].size == 16 and groups["fold"].producers == ("fold", "refine.row", "refine.column", "attend.2")
    # PixelShuffle makes one channel of four.
    assert groups["unfold"].size == 32 and {group.size for group in groups.values()} == {32, 16}
    for counts in found.counts.values():
        assert counts["macs"] == counts["fvcore_macs"]
    assert found.counts["smallest"]["macs"] < found.counts["full"]["macs"] / 4
    assert found.supernet.decomposable == ("spread", "fold", "refine.row", "unfold", "paint")


@pytest.mark.slow
def test_it_goes_through_every_stage(tmp_path: Path) -> None:
    for name in ("loom.py", "loom.yaml"):
        shutil.copy(UNSEEN / name, tmp_path)
    run = tmp_path / "run"
    done = run_autogc("run", tmp_path / "loom.yaml", "--run-dir", run, "--until", "search")
    assert done.returncode == 0, done.stderr
    evaluations = Ledger(run / "search").read()
    assert [one.state for one in evaluations] == ["complete"] * 2, [one.reason for one in evaluations]
    moved = tmp_path / "elsewhere" / "loom.py"
    moved.parent.mkdir()
    (tmp_path / "loom.py").rename(moved)
    done = run_autogc("run", tmp_path / "loom.yaml", "--set", f"generator.module={moved}:Loom", "--run-dir", run)
    assert done.returncode == 0, done.stderr
    assert "already trained" in done.stderr or "teacher: done" in done.stderr, done.stderr
    (package,) = (path for path in (run / "finetune").iterdir() if path.is_dir())
    for command in (("evaluate", package), ("export", run, "--out", tmp_path / "chosen")):
        done = run_autogc(*command)
        assert done.returncode == 0, done.stderr
    with pytest.raises(CheckpointError, match="trust_source=True"):
        autogc.load_package(package)
    assert autogc.load_package(package, source=moved).candidate.hash == package.name
    moved.write_text(moved.read_text() + "# edited\n")
    done = run_autogc("run", tmp_path / "loom.yaml", "--set", f"generator.module={moved}:Loom", "--run-dir", run)
    assert done.returncode == 2 and f"({moved} was edited)" in done.stderr
    done = run_autogc("finetune", package.parent.parent / "export" / package.name, "--run", run, "--out", tmp_path / "tuned")
    assert done.returncode == 2 and "is not the source of its generator" in done.stderr
