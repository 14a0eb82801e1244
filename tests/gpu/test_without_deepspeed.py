"""A machine without DeepSpeed takes over a teacher that was trained elsewhere."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from autogc.files import read_json
from autogc.training.stage import RESULT, write_result


def test_a_result_names_the_versions_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    known = importlib.metadata.version

    def version(name: str) -> str:
        if name == "deepspeed":
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    write_result(tmp_path, steps=0)
    found = read_json(tmp_path / RESULT)["versions"]
    assert found["torch"] == known("torch") and "deepspeed" not in found
