"""Latencies of a run's generators, measured end to end once and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from autogc.cost.latency import Latency, measure_latency, protocol_of
from autogc.files import read_json, write_json
from autogc.tracking.table import SubnetRow
from autogc.training.stage import example_input

if TYPE_CHECKING:
    from autogc.pipeline.run import Run

LATENCY = "latency"


def measure_here(run: Run, module: nn.Module) -> Latency:
    """Measure ``module`` now, as ``scores.latency`` says, on the run's input."""
    return measure_latency(module, example_input(run.data), run.experiment.scores.latency)


def latency_of(run: Run, identity: str, build: Callable[[], nn.Module]) -> Latency:
    """Return the latency of the generator of this identity (a candidate's hash, ``teacher``): measured at first, then kept in the run."""
    path = run.directory / LATENCY / f"{identity}.json"
    if not path.is_file():
        write_json(path, measure_here(run, build()).to_json())
    return Latency.from_json(read_json(path))


def measured_latencies(directory: Path) -> Mapping[str, Latency]:
    """Return what a run directory has measured so far, by identity."""
    return {path.stem: Latency.from_json(read_json(path)) for path in sorted((directory / LATENCY).glob("[!.]*.json"))}


def in_row(latency: Latency) -> dict[str, float | None]:
    """Return the columns of a table's row that a latency fills."""
    return {"latency_ms": latency.median_ms, "latency_spread_ms": latency.spread_ms, "latency_busy": latency.beside}


def latency_notes(run: Run, rows: Iterable[SubnetRow]) -> list[str]:
    """Return the sentences on latency that belong under a table of ``rows``."""
    machines = sorted({f"{one.device} ({one.threads} threads)" for one in measured_latencies(run.directory).values()})
    said = [f"Latency: {protocol_of(run.experiment.scores.latency)}{', on ' if machines else ''}{' and '.join(machines)}."]
    beside = [f"{row.name} ({row.latency_busy:.0%} of the machine in use)" for row in rows if row.latency_busy is not None]
    if beside:
        said.append(f"Latencies measured beside other work, so likely too high: {', '.join(beside)}.")
    return said
