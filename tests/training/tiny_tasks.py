"""One tiny experiment for each task beside pix2pix, over pictures that are made here."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_experiment import OPTIMIZATION

from autogc.config.experiment import Experiment
from autogc.models import GENERATORS

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


def trained(root: Path, generator: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Write weights for a registered generator; return what an experiment says of an imitation of it."""
    checkpoint = root / "weights.safetensors"
    torch.manual_seed(0)
    save_file(GENERATORS.build(generator["name"], generator["args"], **given).state_dict(), checkpoint)
    return {"task": "imitation", "generator": generator, "teacher": {"checkpoint": str(checkpoint)}}


def imitation(root: Path) -> dict[str, Any]:
    """Image to image, of inputs alone: all of one size, taken whole."""
    for split, count in (("train", 7), ("validation", 3), ("test", 2)):
        photos(root / split, count)
    generator = {"name": "resnet", "args": {"base_channels": 8, "blocks": 1}}
    return trained(root, generator, in_channels=3, out_channels=3) | {
        "data": {"name": "inputs", "args": {"root": str(root)}},
        "losses": {"distillation_layers": ["down2"]},
    }


def imitated_enlargement(root: Path) -> dict[str, Any]:
    """Super-resolution, of inputs alone that differ in size."""
    for split, count in (("train", 4), ("validation", 2), ("test", 2)):
        photos(root / split, count, side=20)
        photos(root / split / "more", 2, side=25)
        for path in (root / split / "more").iterdir():
            path.rename(root / split / f"larger_{path.name}")
        (root / split / "more").rmdir()
    generator = {"name": "srresnet", "args": {"base_channels": 8, "blocks": 1, "scale": 2}}
    return trained(root, generator, in_channels=3, out_channels=3) | {
        "data": {"name": "inputs", "args": {"root": str(root), "crop": 16, "largest": 24}}
    }


def imitated_noise(root: Path) -> dict[str, Any]:
    """Noise to images, of noise alone."""
    root.mkdir(parents=True)
    generator = {"name": "dcgan", "args": {"base_channels": 4, "size": 32}}
    return trained(root, generator, in_channels=6, out_channels=1) | {
        "data": {
            "name": "noise",
            "args": {"channels": 6, "height": 32, "width": 32, "grey": True, "train": 12, "validation": 4, "test": 4},
        },
        "losses": {"reconstruction": "mse", "distillation_layers": ["ups.0"]},
    }


def imitated_domains(root: Path) -> dict[str, Any]:
    """Images of many domains, with what each is to become; they are real, so there is a truth."""
    given = multi_domain(root)
    return trained(root, given["generator"], in_channels=5, out_channels=3) | {"data": given["data"]}


TASKS = {
    "unpaired": unpaired,
    "unconditional": unconditional,
    "multi_domain": multi_domain,
    "super_resolution": super_resolution,
    "semantic": semantic,
    "imitation": imitation,
    "imitated_enlargement": imitated_enlargement,
    "imitated_noise": imitated_noise,
    "imitated_domains": imitated_domains,
}


def make_task_experiment(task: str, root: Path, **changes: Any) -> Experiment:
    """The tiny experiment of a task, with its pictures under ``root``."""
    optimization = {**OPTIMIZATION, "steps": 4, "batch_size": 2}
    stages = dict.fromkeys(("teacher", "supernet", "finetune"), optimization)
    stages["supernet"] = {**optimization, "accept_trivial": True}  # four steps teach nobody anything
    given = {"name": "tiny", "device": "cpu", **stages, **TASKS[task](root), "space": SPACE}
    return Experiment.model_validate({**given, **changes})
