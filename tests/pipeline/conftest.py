"""A whole experiment that takes seconds."""

from pathlib import Path

import pytest
from tiny_run import TINY, run_autogc


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The path of a tiny experiment's file."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A finished tiny run: its experiment's file, its directory, and what the command printed."""
    directory = tmp_path_factory.mktemp("job")
    file = directory / "tiny.yaml"
    file.write_text(TINY)
    done = run_autogc("run", file, "--run-dir", directory / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return file, directory / "run", done.stdout + done.stderr
