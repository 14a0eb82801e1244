"""Checks of numbers: subnets, scores, latency and memory on the device, against the CPU's, a formula's, or another clock's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from findings import Failed
from setting import Built
from torch import Tensor

from autogc.cost import CostModel, measure_latency, measure_peak
from autogc.device_lock import measuring
from autogc.inference import full_float32, in_precision
from autogc.metrics import Judge

# Pictures are in [-1, 1], and float32 sums in another order; a step of 8-bit colour is 8e-3. Quantised activations may fall on a
# neighbouring level, which many layers make more of.
PICTURES, QUANTISED = 1e-3, 0.1
# A score on the device may differ from the CPU's by that share of itself, or that much.
SHARE, LITTLE = 0.01, 0.02
# The allocator rounds every tensor up to so many bytes, and a forward pass of these generators holds fewer than so many at once.
ROUNDED_BYTES, TENSORS = 512, 64
CLOCKS = (0.5, 2.0)


def subnets(settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Compare pictures of subnets that use every dimension, sliced and extracted, and their compressed weights, with the CPU's."""
    built = Built(settings)
    images = next(built.data.validation.batches(2)).input
    candidates = built.candidates(4 if settings["tiny"] else 12)
    rows: list[dict[str, Any]] = []
    with full_float32(), torch.no_grad():
        expected = [(built.supernet(images, one), built.supernet.materialize(one)) for one in candidates]
        there = built.supernet.to(built.device)
        for one, (pictures, tensors) in zip(candidates, expected, strict=True):
            sliced = there(images.to(built.device), one).cpu()
            alone = there.extract(one)(images.to(built.device)).cpu()
            row = {
                "candidate": one.hash,
                "quantised_activations": "activation_bits" in one.choices,
                "from_cpu": float((sliced - pictures).abs().max()),
                "extracted": float((alone - sliced).abs().max()),
                "differing_weights": [name for name, made in there.materialize(one).items() if not torch.equal(made.cpu(), tensors[name])],
            }
            rows.append(row)
    wrong = [
        row
        for row in rows
        if not max(row["from_cpu"], row["extracted"]) <= (QUANTISED if row["quantised_activations"] else PICTURES)
        or (row["differing_weights"] and settings["device"] == "cpu")
    ]
    furthest = max(row["from_cpu"] for row in rows)
    count = sum(len(row["differing_weights"]) for row in rows)
    said = f"{len(rows)} subnets, pictures at most {furthest:.1e} from the CPU's, {count} weights compressed to other bits"
    if wrong:
        raise Failed(f"{len(wrong)} of {said}", {"subnets": rows})
    return said, {"subnets": rows}


def scoring(settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Train a judge on the device, score a generator with it there and on the CPU, and in bfloat16."""
    built = Built(settings)
    scores: dict[str, dict[str, float]] = {}
    took: dict[str, float] = {}
    with TemporaryDirectory(dir=settings["scratch"]) as directory:
        judge = Judge.prepare(built.experiment.scores, built.data, Path(directory), seed=0, device=built.device)
        judge.provenance(built.data.test)
        for name, device, precision in (
            ("device", built.device, "float32"),
            ("CPU", torch.device("cpu"), "float32"),
            ("device, bfloat16", built.device, "bfloat16"),
        ):
            generator = built.generator.to(device)
            began = time.monotonic()
            found = judge.to(device).score(_generate(generator, device, precision), built.data.test, precision=precision)
            took[name] = round(time.monotonic() - began, 2)
            scores[name] = found.scores
    details = {"scores": scores, "seconds": took}
    here, there = scores["CPU"], scores["device"]
    apart = {name: there[name] - here[name] for name in here}
    shown = ", ".join(f"{name} {there[name]:.4g} ({apart[name]:+.1e})" for name in here if name in ("fid", "miou", "psnr", "ssim"))
    wrong = [name for name in here if not abs(apart[name]) <= max(LITTLE, SHARE * abs(here[name]))]
    if wrong:
        raise Failed(f"{', '.join(wrong)} of the device and of the CPU are apart: {shown}", details)
    return f"{shown} from the CPU's; {took['device']:g} s, in bfloat16 {took['device, bfloat16']:g} s", details


def _generate(generator: torch.nn.Module, device: torch.device, precision: Any) -> Callable[[Tensor], Tensor]:
    def generate(images: Tensor) -> Tensor:
        with in_precision(precision, device):
            made: Tensor = generator(images)
        return made.float()

    return generate


def latency(settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Measure latency as the product does, and beside it with CUDA's events (on a CPU: a plain loop); the two must agree."""
    built = Built(settings)
    rows, wrong = [], []
    for candidate in built.candidates(3)[:2]:
        module = built.supernet.extract(candidate)
        measured = measure_latency(module, built.example, built.experiment.scores.latency)
        other = _other_clock(module.to(built.device), built.example.to(built.device), settings)
        rows.append({"candidate": candidate.hash, **measured.to_json(), "other_clock_ms": other})
        if not CLOCKS[0] <= other / measured.median_ms <= CLOCKS[1]:
            wrong.append(f"{measured.median_ms:.3f} ms measured, {other:.3f} ms by another clock")
    said = ", ".join(f"{row['median_ms']:.3f} ± {row['spread_ms']:.3f} ms ({row['other_clock_ms']:.3f})" for row in rows)
    if wrong:
        raise Failed("; ".join(wrong), {"measured": rows})
    return f"largest and smallest subnet {said} (in brackets by another clock)", {"measured": rows}


def _other_clock(module: torch.nn.Module, image: Tensor, settings: Mapping[str, Any]) -> float:
    runs = 5 if settings["tiny"] else 50
    with torch.inference_mode(), measuring(settings["device"]):
        for _ in range(3):
            module(image)
        if image.device.type != "cuda":
            times = []
            for _ in range(runs):
                began = time.perf_counter()
                module(image)
                times.append(1e3 * (time.perf_counter() - began))
            return median(times)
        with torch.cuda.device(image.device):
            events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(runs)]
            for start, end in events:
                torch.cuda.synchronize()
                start.record()
                module(image)
                end.record()
            torch.cuda.synchronize()
        return median(start.elapsed_time(end) for start, end in events)


def peak(settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Compare what the allocator holds in a forward pass with the closed form of the peak."""
    built = Built(settings)
    costs = CostModel(built.supernet, built.space)
    slack = ROUNDED_BYTES * TENSORS if built.device.type == "cuda" else 0
    rows = []
    for candidate in built.candidates(3 if settings["tiny"] else 6):
        module = built.supernet.extract(candidate).to(built.device)
        found = measure_peak(module, built.example.to(built.device))
        counted = costs.costs(candidate, only=("peak_activation_bytes",))["peak_activation_bytes"]
        rows.append(
            {
                "candidate": candidate.hash,
                "counted_bytes": counted,
                "held_bytes": found.held_bytes,
                "with_workspaces_bytes": found.with_workspaces_bytes,
            }
        )
    wrong = [row for row in rows if not 0 <= row["held_bytes"] - row["counted_bytes"] <= slack]
    most = max(row["held_bytes"] - row["counted_bytes"] for row in rows)
    details = {"measured": rows, "allowed_bytes": slack}
    if wrong:
        one = wrong[0]
        what = f"{one['held_bytes']:,} bytes held, {one['counted_bytes']:,} counted"
        raise Failed(f"{len(wrong)} of {len(rows)} subnets hold what was not counted: {what} ({slack:,} more are allowed)", details)
    return f"{len(rows)} subnets hold what is counted, and at most {most:,} bytes more", details
