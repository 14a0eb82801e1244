"""A whole experiment that takes seconds."""

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import TINY


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The path of a tiny experiment's file."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def run_autogc(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run([sys.executable, "-m", "autogc", *map(str, arguments)], capture_output=True, text=True, timeout=400)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A finished tiny run: its experiment's file, its directory, and what the command printed."""
    directory = tmp_path_factory.mktemp("job")
    file = directory / "tiny.yaml"
    file.write_text(TINY)
    done = run_autogc("run", file, "--run-dir", directory / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return file, directory / "run", done.stdout + done.stderr
