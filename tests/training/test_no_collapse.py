"""A short training leaves every subnet better than an answer that costs nothing, whatever norms the generator has."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from autogc.config.experiment import Experiment
from autogc.errors import CollapseError
from autogc.training import train_supernet, train_teacher

# What each kind is trained with: new weights near the identity where there are no norms to bring narrow features back to scale.
RECIPES = {
    "none": {"start": "identity", "optimizer": "muon", "learning_rate": 3e-3, "average": 0.98, "sampling": "budget"},
    "batch": {"learning_rate": 2e-3, "average": 0.98, "sampling": "sandwich"},
    "instance": {"learning_rate": 2e-3, "average": 0.98, "sampling": "sandwich"},
}
STACK = Path(__file__).parent / "stacks" / "plain_stack.py"
STEPS = 200


def draw_scenes(root: Path) -> None:
    """Soft gradients with shapes on them, small; and large, as negatives with red and blue exchanged: nothing that enlarging gives."""
    for split, count in (("train", 12), ("validation", 4), ("test", 2)):
        for size in ("low", "high"):
            (root / split / size).mkdir(parents=True)
        for index in range(count):
            dice = np.random.default_rng([len(split), index])
            colours = Image.fromarray(dice.integers(0, 256, (3, 3, 3)).astype(np.uint8))
            image = colours.resize((64, 64), Image.Resampling.BICUBIC)
            draw = ImageDraw.Draw(image)
            for _ in range(4):
                points = [tuple(point) for point in dice.integers(0, 64, (3, 2)).tolist()]
                draw.polygon(points, fill=tuple(dice.integers(0, 256, 3).tolist()))
            image.resize((32, 32), Image.Resampling.BOX).save(root / split / "low" / f"{index}.png")
            Image.fromarray(255 - np.asarray(image)[:, :, ::-1]).save(root / split / "high" / f"{index}.png")


def experiment_of(norm: str, root: Path) -> Experiment:
    draw_scenes(root)
    splits = {split: {"high": f"{split}/high", "low": f"{split}/low"} for split in ("train", "validation", "test")}
    optimization = {"batch_size": 8, "learning_rate": 1e-3, "betas": [0.9, 0.999], "checkpoint_every": 1000, "log_every": 100}
    return Experiment.model_validate(
        {
            "name": "stack",
            "device": "cpu",
            "data": {
                "name": "super_resolution",
                "args": {"root": str(root), "scale": 2, "crop": 32, **splits},
            },
            "generator": {"module": f"{STACK}:PlainStack", "args": {"norm": norm, "convolutions": 12 if norm == "none" else 6}},
            "discriminator": {"name": "patchgan", "args": {"base_channels": 4, "layers": 1}},
            "students": {"target": "teacher"},
            "losses": {"adversarial_weight": 0, "reconstruction_weight": 1},
            "teacher": {**optimization, "steps": 3 * STEPS // 2},
            "supernet": {**optimization, **RECIPES[norm], "steps": STEPS},
            "finetune": {**optimization, "steps": 1},
            "space": {"stages": {"all": ["*"]}, "dimensions": {"width": {"choices": {"*": [1.0, 0.5, 0.25]}}}},
            "search": {"objectives": ["psnr", "macs"]},
            "scores": {"feature_network": None},
        }
    )


@pytest.mark.parametrize("norm", RECIPES)
def test_the_smallest_subnet_is_better_than_trivial(norm: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    experiment = experiment_of(norm, tmp_path / "data")
    train_teacher(experiment, tmp_path / "teacher")
    try:
        train_supernet(experiment, tmp_path / "teacher", tmp_path / "supernet")
    except CollapseError as error:
        pytest.fail(str(error))
    looks = json.loads((tmp_path / "supernet" / "watch" / "history.json").read_text())
    trivial = {name: one["to_teacher"] for name, one in looks["trivial"].items()}
    assert set(trivial) >= {"nearest", "bicubic"}
    assert looks["rows"][-1]["step"] == STEPS
    found = looks["rows"][-1]["to_teacher"]
    print(norm, trivial, found)
    assert found["smallest"] > max(trivial.values()) + 0.3, (trivial, found)
