"""Scoring and timing one generator, as the final table shows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from autogc.cost import COSTS
from autogc.export import Package, load_package
from autogc.files import read_json, write_json
from autogc.metrics import METRICS
from autogc.pipeline.timing import in_row, latency_notes, latency_of, measure_here
from autogc.pipeline.truth import truth_note
from autogc.tracking.quantities import judge_of, shown
from autogc.tracking.table import SubnetRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autogc.pipeline.run import Run


def generating(module: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return the function that makes images with ``module`` on ``device``: inputs (N, Cin, h, w) to pictures (N, C, H, W)."""
    module = module.to(device).eval()

    def generate(images: Tensor) -> Tensor:
        with torch.inference_mode():
            made: Tensor = module(images.to(device))
        return made

    return generate


def measure(
    run: Run, name: str, module: nn.Module, *, costs: Mapping[str, float], split: str = "test", identity: str | None = None
) -> SubnetRow:
    """Score ``module`` on all images of a split and time it; ``costs`` are its counted costs.

    With an ``identity`` it is timed once in the life of the run, without one now.
    """
    latency = measure_here(run, module) if identity is None else latency_of(run, identity, lambda: module)
    judged = run.judge.score(generating(module, run.device), getattr(run.data, split))
    counted = {cost: costs[cost] for cost in COSTS if cost in costs}  # packages of earlier versions know fewer
    return SubnetRow(name=name, scores=judged.scores, intervals=judged.intervals, details=judged.details, **counted, **in_row(latency))


def measured(run: Run, name: str, module: nn.Module, *, costs: Mapping[str, float], identity: str) -> SubnetRow:
    """Score on the test split and time a generator once, and keep the row in the run directory under ``identity``."""
    path = run.stage_directory("report") / "measured" / f"{identity}.json"
    if not path.is_file():
        write_json(path, measure(run, name, module, costs=costs, identity=identity).to_json())
    return replace(SubnetRow.from_json(read_json(path)), name=name)


def measured_package(run: Run, name: str, package: Package) -> SubnetRow:
    """The same for a package."""
    return measured(run, name, package.module, costs=package.costs, identity=identity_of(package))


def identity_of(package: Package) -> str:
    """Return what a package's measurements go by: out of the supernet its candidate, as on the front; fine-tuned its weights too."""
    identity = package.candidate.hash
    if package.manifest["parent"] is not None:
        identity += f"-{package.manifest['files']['weights.safetensors'][:16]}"
    return identity


def evaluate_package(
    run: Run, package: str | Path, *, split: str = "test", resamples: int | None = None
) -> tuple[SubnetRow, tuple[str, ...]]:
    """Score an exported subnet with the run's judges on a split, and time it here; return its row and notes on what judged it.

    ``resamples`` are those of the interval around each score, in place of the experiment's ``scores.bootstrap``.
    """
    if resamples is not None:
        run.judge.resamples = resamples
    loaded = load_package(package, source=run.experiment.generator.source)
    row = measure(run, loaded.candidate.hash, loaded.module, costs=loaded.costs, split=split)
    return row, notes(run, split=split, rows=[row])


def notes(run: Run, *, split: str, rows: Sequence[SubnetRow] = ()) -> tuple[str, ...]:
    """Return the sentences that belong under a table of ``rows``: the data, what judged, how latency was taken."""
    judged: dict[str, Any] = run.judge.provenance(getattr(run.data, split))
    compared = "" if judged["reference_images"] == judged["images"] else f", compared with {judged['reference_images']} real ones"
    if judged["reference_statistics"] is not None:
        compared = f", compared with {judged['reference_statistics']}"
    said = [f"Data: {run.data.description}; {judged['images']} images of the {split} split{compared}."]
    said += truth_note(run.data)
    for name in run.judge.metrics:
        if name in judged["left_out"]:
            said.append(f"{METRICS[name].title} is left out: {judged['left_out'][name]}.")
            continue
        real = judged["real_scores"].get(name)
        reached = "" if real is None else f"; the real images reach {shown(name, real)}"
        labels = f"; labels of {judged['label_size']}" if METRICS[name].role() == "segmenter" else ""
        said.append(f"{judge_of(name, judged)}{labels}{reached}.")
    if judged["bootstrap_resamples"]:
        said.append(f"Ranges hold 95 % of the scores of {judged['bootstrap_resamples']} resamples of the generated images.")
    return (*said, *latency_notes(run, rows))
