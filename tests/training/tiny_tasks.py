"""One tiny experiment for each task beside pix2pix, over pictures that are made here."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tiny_experiment import OPTIMIZATION

from autogc.config.experiment import Experiment

SPACE = {
    "stages": {"all": ["*"]},
    "dimensions": {"width": {"choices": {"*": [1.0, 0.5]}}, "weight_bits": {"choices": {"*": [32, 8]}}},
}


def photos(folder: Path, count: int, *, side: int = 32) -> None:
    folder.mkdir(parents=True)
    dice = np.random.default_rng(len(str(folder.name)))
    for index in range(count):
        Image.fromarray(dice.integers(0, 256, (side, side, 3)).astype(np.uint8)).save(folder / f"{index:03d}.png")


def unpaired(root: Path) -> dict[str, Any]:
    for folder, count in (("trainA", 7), ("trainB", 8), ("testA", 2), ("testB", 3)):
        photos(root / folder, count)
    return {
        "data": {"name": "unpaired_folders", "args": {"root": str(root), "height": 32, "width": 32, "validation_count": 2}},
        "generator": {"name": "resnet", "args": {"base_channels": 8, "blocks": 1}},
        "discriminator": {"name": "patchgan", "args": {"base_channels": 8, "layers": 1}},
        "losses": {"adversarial": "lsgan", "pool_size": 3, "distillation_layers": ["down2"]},
    }


def unconditional(root: Path) -> dict[str, Any]:
    root.mkdir(parents=True)
    for name, count in (("train-images-idx3-ubyte.gz", 12), ("t10k-images-idx3-ubyte.gz", 4)):
        digits = np.random.default_rng(count).integers(0, 256, (count, 28, 28)).astype(np.uint8)
        (root / name).write_bytes(gzip.compress(np.asarray([0x0803, count, 28, 28], ">i4").tobytes() + digits.tobytes(), mtime=0))
    return {
        "data": {"name": "mnist", "args": {"root": str(root), "noise": 6, "size": 32, "validation_count": 4}},
        "generator": {"name": "dcgan", "args": {"base_channels": 4, "size": 32}},
        "discriminator": {"name": "dcgan", "args": {"base_channels": 4}},
        "losses": {"adversarial": "vanilla", "reconstruction": "mse", "distillation_layers": ["ups.0"]},
    }


def multi_domain(root: Path) -> dict[str, Any]:
    photos(root / "img", 14)
    lines = [f"{index:03d}.png {1 if index % 2 else -1} {1 if index % 3 else -1}" for index in range(14)]
    (root / "list.txt").write_text("\n".join(["14", "Old Blond", *lines]))
    args = {"root": str(root), "pictures": "img", "table": "list.txt", "domains": ["Old", "Blond"], "height": 32, "width": 32}
    return {
        "data": {"name": "attributes", "args": {**args, "validation_count": 3, "test_count": 3}},
        "generator": {"name": "stargan", "args": {"base_channels": 4, "blocks": 1}},
        "discriminator": {"name": "stargan", "args": {"base_channels": 4, "layers": 3}},
        "losses": {"adversarial": "wgan_gp", "critic_steps": 2, "distillation_layers": ["down2"]},
    }


def super_resolution(root: Path) -> dict[str, Any]:
    for split, count in (("train", 6), ("validation", 3), ("test", 2)):
        photos(root / split, count, side=48)
    splits = {split: {"high": split} for split in ("train", "validation", "test")}
    return {
        "data": {"name": "super_resolution", "args": {"root": str(root), **splits, "scale": 2, "crop": 32}},
        "generator": {"name": "srresnet", "args": {"base_channels": 8, "blocks": 1, "scale": 2}},
        "discriminator": {"name": "srgan", "args": {"base_channels": 4, "head": "pool"}},
        "losses": {"adversarial": "vanilla", "adversarial_weight": 0.01, "reconstruction": "mse", "distillation_layers": ["blocks.0"]},
    }


def semantic(root: Path) -> dict[str, Any]:
    del root
    return {
        "data": {"name": "streets", "args": {"height": 64, "width": 64, "train": 6, "validation": 3, "test": 2}},
        "generator": {"name": "spade", "args": {"base_channels": 4, "hidden_channels": 4, "norm": "instance"}},
        "discriminator": {"name": "multi_scale", "args": {"base_channels": 4, "layers": 2, "scales": 2}},
        "losses": {"feature_matching_weight": 10.0, "distillation_layers": ["up1"]},
    }


TASKS = {
    "unpaired": unpaired,
    "unconditional": unconditional,
    "multi_domain": multi_domain,
    "super_resolution": super_resolution,
    "semantic": semantic,
}


def make_task_experiment(task: str, root: Path, **changes: Any) -> Experiment:
    """The tiny experiment of a task, with its pictures under ``root``."""
    optimization = {**OPTIMIZATION, "steps": 4, "batch_size": 2}
    stages = dict.fromkeys(("teacher", "supernet", "finetune"), optimization)
    stages["supernet"] = {**optimization, "accept_trivial": True}  # four steps teach nobody anything
    given = {"name": "tiny", "device": "cpu", **TASKS[task](root), **stages, "space": SPACE}
    return Experiment.model_validate({**given, **changes})
