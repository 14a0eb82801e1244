"""A published generator and discriminator become an experiment's teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from published_networks import filled, instance, patchgan, resnet

from autogc.config.experiment import Experiment
from autogc.data import open_data
from autogc.errors import CheckpointError
from autogc.training import load_teacher, train_teacher
from autogc.training.teacher import load_discriminator


class Notes:
    def __init__(self) -> None:
        self.text = ""

    def start(self, task: str, *, total: int, done: int = 0) -> None: ...

    def update(self, done: int, **figures: float) -> None: ...

    def note(self, text: str) -> None:
        self.text += text + "\n"


def experiment(directory: Path, **generator: Any) -> Experiment:
    optimization = {"steps": 1}
    return Experiment.model_validate(
        {
            "name": "published",
            "device": "cpu",
            "data": {"name": "streets", "args": {"height": 32, "width": 32, "train": 4, "validation": 2, "test": 2}},
            "generator": {"name": "resnet", "args": {"base_channels": 4, "blocks": 6, **generator}},
            "discriminator": {"name": "patchgan", "args": {"base_channels": 4}},
            "teacher": {
                **optimization,
                "checkpoint": str(directory / "latest_net_G.pth"),
                "discriminator_checkpoint": str(directory / "latest_net_D.pth"),
            },
            "supernet": optimization,
            "finetune": optimization,
            "space": {"stages": {"all": ["*"]}, "dimensions": {"width": {"choices": {"*": [1.0, 0.5]}}}},
        }
    )


def test_a_published_pair_is_the_teacher(tmp_path: Path) -> None:
    given = experiment(tmp_path)
    data = open_data(given.data, seed=given.seed)
    network = filled(resnet(4, 6, inputs=data.input_channels, dropout=True))
    critic = filled(patchgan(data.input_channels + data.target_channels, 4, instance))
    old = {f"module.model.2.{name}": torch.zeros(4) for name in ("running_mean", "running_var")}
    torch.save({f"module.{name}": tensor for name, tensor in network.state_dict().items()} | old, tmp_path / "latest_net_G.pth")
    torch.save(critic.state_dict(), tmp_path / "latest_net_D.pth")

    notes = Notes()
    train_teacher(given, tmp_path / "teacher", progress=notes)
    assert "the prefix 'module.' is removed" in notes.text and "model.2 (running_mean, running_var)" in notes.text
    images = next(data.test.batches(2)).input
    with torch.no_grad():
        torch.testing.assert_close(load_teacher(given, data, tmp_path / "teacher")(images), network(images), rtol=1e-4, atol=1e-5)
        kept = load_discriminator(given, data, tmp_path / "teacher" / "discriminator.safetensors").eval()
        pair = torch.cat([images, network(images)], 1)
        torch.testing.assert_close(kept(pair), critic(pair), rtol=1e-4, atol=1e-5)

    with pytest.raises(CheckpointError, match=r"base_channels 4, .*blocks 6"):
        train_teacher(experiment(tmp_path, base_channels=8), tmp_path / "other")
    assert not (tmp_path / "other").exists()
