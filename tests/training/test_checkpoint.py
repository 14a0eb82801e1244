"""Checkpoints: whole or absent, two of them, of one training."""

from pathlib import Path

import pytest
import torch

from autogc.errors import CheckpointError
from autogc.progress import Silent
from autogc.training import newest_step
from autogc.training.checkpoint import Checkpoint, Checkpoints


class Notes(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def checkpoint(step: int) -> Checkpoint:
    parts = {"generator": {"a": torch.full((3,), float(step)), "n": torch.tensor(step)}, "discriminator": {"b": torch.ones(1, 2)}}
    return Checkpoint(step=step, parts=parts, data={"history": {"rows": [0.1]}})


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", identity="mine")


def test_none_is_there_at_first(checkpoints: Checkpoints) -> None:
    assert checkpoints.newest(Silent()) is None
    assert checkpoints.newest_path() is None


def test_what_was_written_is_read(checkpoints: Checkpoints) -> None:
    checkpoints.write(checkpoint(4))
    found = checkpoints.newest(Silent())
    assert found is not None and (found.step, found.data) == (4, {"history": {"rows": [0.1]}})
    for part, tensors in checkpoint(4).parts.items():
        assert set(found.parts[part]) == set(tensors)
        for name, tensor in tensors.items():
            assert torch.equal(found.parts[part][name], tensor) and found.parts[part][name].dtype == tensor.dtype


def test_the_last_two_are_kept(checkpoints: Checkpoints) -> None:
    for step in (5, 50, 1000):
        checkpoints.write(checkpoint(step))
    assert sorted(path.name for path in checkpoints.directory.iterdir()) == ["step-000000050", "step-000001000"]
    assert newest_step(checkpoints.directory.parent) == 1000


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: flip_a_bit(path / "generator.safetensors"),
        lambda path: (path / "discriminator.safetensors").unlink(),
        lambda path: (path / "checkpoint.json").write_text('{"step": 9'),
        lambda path: (path / "checkpoint.json").unlink(),
        lambda path: (path / "checkpoint.json").write_bytes(b"\xff\xfe\xfa"),
        lambda path: (path / "checkpoint.json").write_text("[]"),
    ],
    ids=["flipped bit", "missing part", "cut-off manifest", "no manifest", "no text", "another manifest"],
)
def test_a_damaged_one_is_passed_over_with_a_note(checkpoints: Checkpoints, damage) -> None:
    checkpoints.write(checkpoint(1))
    damage(checkpoints.write(checkpoint(2)))
    notes = Notes()
    found = checkpoints.newest(notes)
    assert found is not None and found.step == 1
    assert len(notes.texts) == 1 and "step-000000002" in notes.texts[0]


def test_what_a_killed_write_left_is_removed_and_not_read(checkpoints: Checkpoints) -> None:
    remnant = checkpoints.directory / ".step-000000007.abc.part"
    remnant.mkdir(parents=True)
    assert checkpoints.newest(Silent()) is None
    assert not remnant.exists()


def test_one_of_another_training_is_refused(checkpoints: Checkpoints) -> None:
    checkpoints.write(checkpoint(1))
    with pytest.raises(CheckpointError, match="other settings"):
        Checkpoints(checkpoints.directory, identity="another").newest(Silent())
