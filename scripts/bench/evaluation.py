#!/usr/bin/env python3
"""Time one candidate's evaluation, say what it is made of, and compare it with the classic loop, in one process, on the same pictures.

The candidate is GAN Compression's published CycleGAN subnet (horse2zebra's eight numbers) of the decomposed ResNet supernet, its weights
as they are drawn; the pictures are synthetic street scenes, written as files first. Without --weights, Inception has random weights
whose running statistics were taken on those pictures: times are the same, distances mean nothing beyond this run.

The classic loop does what evaluators of published projects do: it decodes each picture when it is its turn, makes and judges one at
a time in float32, takes the covariances of generated and of real features with numpy, the root of their product with scipy, and traces the
subnet for its MACs. It is timed with the real pictures' features given, and with these taken anew, as evaluators without a cache do.

    python scripts/bench/evaluation.py
    python scripts/bench/evaluation.py --weights pt_inception-2015-12-05-6726825d.pth --precisions judge both
    python scripts/bench/evaluation.py --batches 1 4 16 --no-classic
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
import torch
from PIL import Image
from torch import Tensor, nn

from autogc.config.experiment import Component, ScoresConfig
from autogc.cost import fvcore_macs
from autogc.cost.latency import device_name
from autogc.data import DATASETS, Dataset
from autogc.inference import quick_in_bfloat16
from autogc.metrics import Judge
from autogc.metrics.judge_networks.inception_v3 import InceptionV3
from autogc.models import GENERATORS
from autogc.search.evaluator import CandidateEvaluator
from autogc.search.precision import CHOICES, Precisions
from autogc.supernet import Supernet
from autogc.supernet.candidate import Candidate
from autogc.supernet.config_str import candidate_of_config_str

SUBNET = "16_16_32_16_32_32_16_16"
BFLOAT16 = {"float32": "nothing", "judge": "network", "both": "both"}
PRECISIONS = {"float32": Precisions(), "judge": CHOICES[1], "both": CHOICES[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=140)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--subnet", default=SUBNET, help="GAN Compression's eight numbers")
    parser.add_argument("--weights", help="the published FID weights; random ones without")
    parser.add_argument("--batches", type=int, nargs="+", default=[16], help="batch sizes to evaluate in")
    parser.add_argument("--precisions", nargs="+", choices=list(PRECISIONS), default=list(PRECISIONS), help="what computes in bfloat16")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=2, help="the quickest of so many evaluations counts")
    parser.add_argument("--no-classic", action="store_true", help="leave the classic loop out")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as place:
        compare(given, Path(place))


def compare(given: argparse.Namespace, place: Path) -> None:
    """Run what was asked for and print it."""
    data = scenes(place / "pictures", count=given.pictures, size=given.size)
    generator = GENERATORS.build("mobile_resnet", {}, in_channels=3, out_channels=3)
    supernet = Supernet.convert(generator, torch.zeros(1, 3, given.size, given.size), verify=False)
    candidate = candidate_of_config_str(given.subnet, supernet)
    weights = given.weights or random_weights(place / "random.pth", data)
    scores = ScoresConfig(feature_network=Component(name="inception_fid", args={"weights": str(weights)}), segmenter=None)
    judge = Judge.prepare(scores, data, place / "judge", seed=0)
    reference = judge.real_images(data.validation).reference
    files = sorted((place / "pictures" / "validation").iterdir())
    assert reference is not None and reference.features is not None and judge.networks.features is not None
    print(f"{device_name(torch.device('cpu'))}, {given.threads} threads of {os.cpu_count()} cores, torch {torch.__version__}; ", end="")
    print(f"quick in bfloat16: {quick_in_bfloat16(torch.device('cpu'))}")
    print(f"subnet {given.subnet}, {given.pictures} pictures of {given.size} x {given.size}, {judge.networks.features.label}\n")
    print(f"{'':44} {'total s':>8} {'generator':>10} {'network':>9} {'the rest':>9} {'':>7} {'FID':>10}")
    totals = {}
    for batch_size in given.batches:
        for name in given.precisions:
            total, parts, fid = evaluated(supernet, judge, data, candidate, given, batch_size, PRECISIONS[name])
            totals[f"autogc, batches of {batch_size}, bfloat16: {BFLOAT16[name]}"] = total
            row(f"autogc, batches of {batch_size}, bfloat16: {BFLOAT16[name]}", total, parts, fid)
    if given.no_classic:
        return
    real = reference.features.double().numpy()
    known, parts, fid = classic(supernet, candidate, data, files, Path(weights), real)
    row("classic loop, real features given", known, parts, fid)
    anew, parts, fid = classic(supernet, candidate, data, files, Path(weights), None)
    row("classic loop, real pictures judged anew", anew, parts, fid)
    print()
    for name, ours in totals.items():
        print(f"{name}: {known / ours:.1f} and {anew / ours:.1f} times quicker than the classic loops")


def row(name: str, total: float, parts: Counter[str], fid: float) -> None:
    """Print one line of the table."""
    rest = total - parts["generator"] - parts["network"]
    share = f"{rest / total:.1%}"
    print(f"{name:44} {total:>8.2f} {parts['generator']:>10.2f} {parts['network']:>9.2f} {rest:>9.2f} {share:>7} {fid:>10.4f}", flush=True)


def scenes(place: Path, *, count: int, size: int) -> Dataset:
    """Write synthetic street scenes as pairs of pictures and open them as a dataset of files; nothing is decoded yet."""
    drawn = DATASETS.build("streets", {"height": size, "width": size, "train": 2, "validation": count, "test": 2}, seed=0)
    for split in (drawn.train, drawn.validation, drawn.test):
        (place / split.name).mkdir(parents=True)
        for batch in split.batches(8):
            for name, target in zip(batch.names, batch.target, strict=True):
                pixels = target.add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy()
                Image.fromarray(np.concatenate([255 - pixels, pixels], 1)).save(place / split.name / f"{name}.png")
    folders = {"root": str(place), "train": "train", "validation": "validation", "test": "test"}
    return DATASETS.build("side_by_side", {**folders, "height": size, "width": size}, seed=0)


def random_weights(path: Path, data: Dataset) -> Path:
    """Write weights of Inception's shapes: drawn, with running statistics of real pictures, so that nothing vanishes on the way."""
    network = InceptionV3()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    pictures = nn.functional.interpolate(data.validation.batch(list(range(8))).target, (299, 299), mode="bilinear")
    network.train()
    with torch.no_grad():
        for _ in network.maps(pictures):
            pass
    torch.save(network.state_dict(), path)
    return path


def evaluated(
    supernet: Supernet,
    judge: Judge,
    data: Dataset,
    candidate: Candidate,
    given: argparse.Namespace,
    batch_size: int,
    precisions: Precisions,
) -> tuple[float, Counter[str], float]:
    """Evaluate as a search's worker does, and return the quickest evaluation's seconds, those of its forward passes, and FID."""
    parts: Counter[str] = Counter()
    with timed(judge.networks.features, "features", parts, "network"), subnets_timed(supernet, parts):
        evaluator = CandidateEvaluator(
            supernet=supernet,
            judge=judge,
            split=data.validation,
            metrics=("fid",),
            seed=0,
            batch_size=batch_size,
            threads=given.threads,
        )
        evaluator.precisions = precisions
        best = (float("inf"), Counter[str](), 0.0)
        for _ in range(given.repeats):
            parts.clear()
            start = time.perf_counter()
            scores, _, _ = evaluator.evaluate(candidate)
            best = min(best, (time.perf_counter() - start, Counter(parts), scores["fid"]), key=lambda found: found[0])
    return best


@contextmanager
def timed(owner: Any, name: str, parts: Counter[str], part: str) -> Iterator[None]:
    """Add the time that a method takes to ``parts``."""
    method = getattr(owner, name)
    object.__setattr__(owner, name, timing(method, parts, part))
    try:
        yield
    finally:
        object.__delattr__(owner, name)


def timing(function: Callable[..., Any], parts: Counter[str], part: str) -> Callable[..., Any]:
    """Return ``function`` adding the time that it takes to ``parts``."""

    def run(*values: Any) -> Any:
        start = time.perf_counter()
        found = function(*values)
        parts[part] += time.perf_counter() - start
        return found

    return run


@contextmanager
def subnets_timed(supernet: Supernet, parts: Counter[str]) -> Iterator[None]:
    """Have the forward passes of extracted subnets timed."""
    extract = supernet.extract

    def extracted(candidate: Candidate) -> nn.Module:
        module = extract(candidate)
        module.forward = timing(module.forward, parts, "generator")  # type: ignore[method-assign]
        return module

    object.__setattr__(supernet, "extract", extracted)
    try:
        yield
    finally:
        object.__delattr__(supernet, "extract")


def classic(
    supernet: Supernet, candidate: Candidate, data: Dataset, files: Sequence[Path], weights: Path, real: np.ndarray | None
) -> tuple[float, Counter[str], float]:
    """Evaluate as published evaluators do, and return the seconds that it took, those of forward passes, and FID.

    ``real`` are the real pictures' features, or None to have the pictures judged here.
    """
    network = InceptionV3()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()
    parts: Counter[str] = Counter()
    start = time.perf_counter()
    subnet = supernet.extract(candidate).eval()
    fvcore_macs(subnet, torch.zeros(1, *data.input_shape))
    generate, features = timing(subnet, parts, "generator"), timing(pooled, parts, "network")
    found, judged_anew = [], []
    with torch.no_grad():
        for path in files:
            made = generate(decoded(path)[None, :, :, : data.width])
            made = made.clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1)
            found.append(features(network, made))
            if real is None:
                judged_anew.append(features(network, decoded(path)[None, :, :, data.width :]))
    if real is None:
        real = torch.cat(judged_anew).double().numpy()
    generated = torch.cat(found).double().numpy()
    apart = generated.mean(0) - real.mean(0)
    own, theirs = np.cov(generated, rowvar=False), np.cov(real, rowvar=False)
    root = scipy.linalg.sqrtm(own @ theirs)
    fid = float(apart @ apart + np.trace(own) + np.trace(theirs) - 2 * np.trace(root).real)
    return time.perf_counter() - start, parts, fid


def pooled(network: InceptionV3, pictures: Tensor) -> Tensor:
    """Return pool3's features of pictures."""
    resized = nn.functional.interpolate(pictures, (299, 299), mode="bilinear", align_corners=False)
    return list(network.maps(resized))[-1][1].mean((2, 3))


def decoded(path: Path) -> Tensor:
    """Return a file's pixels, (3, H, W) in [-1, 1]."""
    with Image.open(path) as picture:
        return torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1).float() / 127.5 - 1


if __name__ == "__main__":
    main()
