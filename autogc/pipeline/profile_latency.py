"""What ``autogc profile`` says of latency: measured, predicted, and the table that predictions come from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from autogc.config.experiment import LatencyConfig
from autogc.cost.latency import Latency, LatencyPredictor, Setting, build_latency_table, measure_latency, predictor_from, protocol_of
from autogc.errors import ConfigError
from autogc.export import load_package
from autogc.pipeline.profile import read_candidate
from autogc.pipeline.subject import open_subject
from autogc.progress import Progress


@dataclass(frozen=True)
class LatencyProfile:
    """One subnet's latency: ``measured`` end to end, ``predicted_ms``, where they were asked for; what predicted it, kept in ``table``."""

    protocol: str
    measured: Latency | None = None
    predicted_ms: float | None = None
    predictor: LatencyPredictor | None = None
    table: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        found: dict[str, Any] = {} if self.measured is None else {"measured": self.measured.to_json()}
        if self.predictor is not None:
            found["predicted"] = {"latency_ms": self.predicted_ms, "table": str(self.table), **self.predictor.provenance()}
        return found

    def sentences(self) -> list[str]:
        """Return what there is to say, for below the other costs."""
        said = []
        if self.measured is not None:
            one = self.measured
            beside = "" if one.beside is None else f"; beside other work ({one.beside:.0%} of the machine in use), so likely too high"
            said.append(
                f"Latency, measured: {one.median_ms:.2f} ± {one.spread_ms:.2g} ms, mean {one.mean_ms:.2f} ms, "
                f"on {one.device}, {one.threads} threads ({self.protocol}){beside}."
            )
        if self.predictor is not None:
            said.append(f"Latency, predicted: {self.predicted_ms:.2f} ms, {self.predictor}. Table: {self.table}.")
        return said


def profile_subnet_latency(
    path: str | Path,
    *,
    candidate: str = "full",
    overrides: Sequence[str] = (),
    measure: bool = False,
    build: str | None = None,
    table: str | None = None,
    progress: Progress | None = None,
) -> LatencyProfile:
    """Measure a subnet of an experiment file's generator, or predict it from measured layers, or both. Nothing is trained.

    ``build`` is the file of the latency table to make or to complete ("" for one named after the device, in the current directory),
    ``table`` one to predict from as it is. Raises ConfigError where the table is of another device, backend or thread count, or lacks
    this space.
    """
    subject = open_subject(path, overrides=overrides)
    config = subject.experiment.scores.latency
    chosen = read_candidate(candidate, subject)
    predictor, kept = None, None
    if build is not None:
        kept = Path(build or table_name(config))
        predictor = build_latency_table(subject.supernet, subject.space, config, path=kept, progress=progress, seed=subject.experiment.seed)
    elif table is not None:
        kept = Path(table)
        predictor = predictor_from(kept, subject.supernet, subject.space, config)
        if predictor is None:
            raise ConfigError(f"{kept} has no measurements of this space: autogc profile {path} --build-latency-table {kept} adds them")
    return LatencyProfile(
        protocol=protocol_of(config),
        measured=measure_latency(subject.supernet.extract(chosen), subject.example, config) if measure else None,
        predicted_ms=None if predictor is None else predictor.of(subject.supernet, chosen),
        predictor=predictor,
        table=kept,
    )


def profile_package_latency(directory: str | Path, *, source: str | Path | None = None, trust_source: bool = False) -> LatencyProfile:
    """Measure an exported package here, as its experiment says."""
    package = load_package(directory, source=source, trust_source=trust_source)
    given = package.manifest["experiment"].get("scores", {}).get("latency", {})
    config = LatencyConfig.model_validate({name: value for name, value in given.items() if name != "table"})
    return LatencyProfile(protocol_of(config), measured=measure_latency(package.module, torch.zeros(package.input_shape), config))


def table_name(config: LatencyConfig) -> str:
    """Return a file name for the table of this machine's device, such as ``latency-amd-epyc-eager-2-threads.json``."""
    here = Setting.here(config)
    return f"latency-{re.sub('[^a-z0-9]+', '-', here.device.lower()).strip('-')}-{here.backend}-{here.threads}-threads.json"
