"""Tiny datasets and weights in the very layout that an experiment file declares: made of noise, so that its dry run needs no download."""

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from autogc.config.experiment import Experiment
from autogc.data.cityscapes import ENDINGS, TREES
from autogc.data.mnist import FILES, MAGIC, SIDE
from autogc.metrics.judge_networks.drn import DRN
from autogc.metrics.judge_networks.espnet import CAMVID_CLASSES, ESPNet
from autogc.metrics.judge_networks.lenet import LeNet5
from autogc.models import build_generator_component

SPLITS = ("train", "validation", "test")
# Of every folder; and how many of them are held out where a file holds out, the fewest that have an FID.
COUNT, HELD_OUT = 6, 2
NETWORKS = {"lenet_mnist": LeNet5, "espnet_camvid": ESPNet, "drn_cityscapes": DRN}


def lay_out(experiment: Experiment, directory: Path) -> list[str]:
    """Write what the experiment reads under ``directory``; return the overrides that make it read that, and hold out two pictures."""
    args = experiment.data.args
    overrides = [f"data.args.{count}={HELD_OUT}" for count in ("validation_count", "test_count") if args.get(count) is not None]
    if experiment.data.name in LAYOUTS:
        root = directory / "data"
        root.mkdir()
        LAYOUTS[experiment.data.name](root, args)
        overrides.append(f"data.args.root={root}")
    if experiment.task == "imitation":
        path = directory / "generator.safetensors"
        generator = build_generator_component(experiment.generator, in_channels=3, out_channels=3)
        save_file(generator.state_dict(), path)
        overrides.append(f"teacher.checkpoint={path}")
    for role in ("feature_network", "segmenter"):
        named = getattr(experiment.scores, role)
        if named is not None and named.name in NETWORKS:
            path = directory / f"{named.name}.pth"
            torch.save(NETWORKS[named.name](label="untrained").half().state_dict(), path)
            overrides.append(f"scores.{role}.args.weights={path}")
    perceptual = experiment.losses.perceptual
    if perceptual is not None and "weights" in perceptual.args:
        # VGG19's file would be 80 MB of noise; losses/test_perceptual.py is about it.
        overrides += ["losses.perceptual=null", "losses.perceptual_weight=0"]
    return overrides


def _pictures(folder: Path, *, name: str = "{:06d}.png", size: tuple[int, int] = (80, 96), values: int | None = None) -> None:
    """Write pictures of noise; with ``values`` they are maps of so many labels."""
    folder.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(list(str(folder.relative_to(folder.parents[1])).encode()))
    for index in range(COUNT):
        shape = size if values else (*size, 3)
        Image.fromarray(draws.integers(0, values or 256, shape).astype(np.uint8)).save(folder / name.format(index))


def _side_by_side(root: Path, args: Mapping[str, Any]) -> None:
    for split in SPLITS:
        folder = args.get(split, None if split == "validation" else split)
        if folder is not None:
            _pictures(root / folder, size=(80, 192))


def _paired_folders(root: Path, args: Mapping[str, Any]) -> None:
    classes = args["classes"]
    if isinstance(classes, str):
        names = [*CAMVID_CLASSES, "unlabelled"]
        (root / classes).write_text("\n".join(names))
        classes = names
    for split in SPLITS:
        folders = args[split]
        _pictures(root / folders["target"])
        _pictures(root / folders["input"], values=len(classes))
        if "judged" in folders:
            _pictures(root / folders["judged"], values=len(classes), size=(90, 120))
        if "instances" in folders:
            _pictures(root / folders["instances"], values=4)


def _unpaired_folders(root: Path, args: Mapping[str, Any]) -> None:
    for folder in ("trainA", "trainB", "testA", "testB"):
        _pictures(root / folder)


def _cityscapes(root: Path, args: Mapping[str, Any]) -> None:
    for part in ("train", "val"):
        for kind, ending in ENDINGS.items():
            values = None if kind == "target" else 30
            _pictures(root / TREES[kind] / part / "bochum", name="bochum_{:06d}" + ending, values=values)


def _mnist(root: Path, args: Mapping[str, Any]) -> None:
    for file in FILES.values():
        header = np.asarray([MAGIC, COUNT, SIDE, SIDE], ">i4").tobytes()
        with gzip.open(root / f"{file}.gz", "wb") as stream:
            stream.write(header + np.random.default_rng(COUNT).integers(0, 256, (COUNT, SIDE, SIDE)).astype(np.uint8).tobytes())


def _super_resolution(root: Path, args: Mapping[str, Any]) -> None:
    scale = args["scale"]
    for split in SPLITS:
        high, low = args[split]["high"], args[split].get("low")
        if "DIV2K" in high:
            names = ("{:04d}.png", f"{{:04d}}x{scale}.png")
        else:
            names = (f"img_{{:03d}}_SRF_{scale}_HR.png", f"img_{{:03d}}_SRF_{scale}_LR.png")
        _pictures(root / high, name=names[0], size=(32 * scale, 40 * scale))
        if low is not None:
            _pictures(root / low, name=names[1], size=(32, 40))


def _attributes(root: Path, args: Mapping[str, Any]) -> None:
    _pictures(root / args["pictures"], name="{:06d}.jpg", size=(218, 178))
    lines = [
        f"{index:06d}.jpg " + " ".join("1" if (index + place) % 2 else "-1" for place in range(len(args["domains"])))
        for index in range(COUNT)
    ]
    (root / args["table"]).write_text("\n".join([str(COUNT), " ".join(args["domains"]), *lines]))
    if args.get("partition"):
        (root / args["partition"]).write_text("\n".join(f"{index:06d}.jpg {index * 3 // COUNT}" for index in range(COUNT)))


def _inputs(root: Path, args: Mapping[str, Any]) -> None:
    for split in SPLITS:
        _pictures(root / args.get(split, split))


LAYOUTS: dict[str, Callable[[Path, Mapping[str, Any]], None]] = {
    "side_by_side": _side_by_side,
    "paired_folders": _paired_folders,
    "unpaired_folders": _unpaired_folders,
    "cityscapes": _cityscapes,
    "mnist": _mnist,
    "super_resolution": _super_resolution,
    "inputs": _inputs,
    "attributes": _attributes,
}
