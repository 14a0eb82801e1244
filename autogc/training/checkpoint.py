"""Checkpoints of a training under way: directories that are whole or absent, the last two of them."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from autogc.errors import CheckpointError
from autogc.files import read_json, replacing_directory, sha256_file, write_json
from autogc.progress import Progress

MANIFEST = "checkpoint.json"
KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A training after ``step`` optimizer steps: tensors by part (``generator``, ``discriminator``) and name, and JSON-ready data."""

    step: int
    parts: dict[str, dict[str, Tensor]]
    data: dict[str, Any]


class Checkpoints:
    """The checkpoints in ``directory``, of trainings that ``identity`` describes: one of another identity is refused, not used."""

    def __init__(self, directory: Path, *, identity: str) -> None:
        self.directory = directory
        self._identity = identity

    def write(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint and remove all but the last two."""
        path = self.directory / f"step-{checkpoint.step:09d}"
        with replacing_directory(path) as beside:
            for part, tensors in checkpoint.parts.items():
                save_file(tensors, beside / f"{part}.safetensors")
                _flush(beside / f"{part}.safetensors")
            hashes = {part: sha256_file(beside / f"{part}.safetensors") for part in checkpoint.parts}
            write_json(
                beside / MANIFEST,
                {"step": checkpoint.step, "identity": self._identity, "sha256": hashes, "data": checkpoint.data},
            )
        for old in self._paths()[:-KEPT]:
            shutil.rmtree(old)
        return path

    def newest(self, progress: Progress) -> Checkpoint | None:
        """Return the newest checkpoint that is whole; a damaged one is passed over, with a note.

        What a killed write left beside is removed. Raises CheckpointError when it belongs to a training with other settings.
        """
        for remnant in self.directory.glob(".step-*"):
            shutil.rmtree(remnant)
        for path in reversed(self._paths()):
            try:
                return self._read(path)
            except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, SafetensorError, _Damaged) as error:
                progress.note(f"passing over a damaged checkpoint, {path}: {error}")
        return None

    def at(self, step: int) -> Checkpoint:
        """Return the checkpoint of ``step``, which another worker found whole."""
        return self._read(self.directory / f"step-{step:09d}")

    def newest_path(self) -> Path | None:
        """Return where the newest checkpoint is, without reading it."""
        paths = self._paths()
        return paths[-1] if paths else None

    def remove(self) -> None:
        """Remove all of them: the training is over."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _read(self, path: Path) -> Checkpoint:
        manifest = read_json(path / MANIFEST)
        for part, expected in manifest["sha256"].items():
            if sha256_file(path / f"{part}.safetensors") != expected:
                raise _Damaged(f"{part}.safetensors is not what was written")
        if manifest["identity"] != self._identity:
            raise CheckpointError(
                f"{path} is from a training with other settings (data, networks, losses, steps or rates); "
                f"remove {self.directory} to start anew, or put the settings back"
            )
        parts = {part: load_file(path / f"{part}.safetensors") for part in manifest["sha256"]}
        return Checkpoint(step=manifest["step"], parts=parts, data=manifest["data"])

    def _paths(self) -> list[Path]:
        return sorted(self.directory.glob("step-*"))


def newest_step(directory: str | Path) -> int | None:
    """Return the step at which the training in ``directory`` was last written down; None where it was not, or is over."""
    paths = sorted(Path(directory).glob("checkpoints/step-*"))
    return int(paths[-1].name.removeprefix("step-")) if paths else None


class _Damaged(Exception):
    """A checkpoint's file differs from what its manifest says."""


def _flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
