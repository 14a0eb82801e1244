"""A package with scores that were taken after it was written, as those of a fine-tuned one are."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autogc.export.package import Package, describe_and_seal, load_package
from autogc.files import replacing_directory, write_json


def rescore_package(
    directory: str | Path,
    *,
    scores: Mapping[str, float],
    provenance: Mapping[str, Any],
    costs: Mapping[str, float] | None = None,
    source: str | Path | None = None,
) -> Package:
    """Put ``scores``, how they were taken, and measured ``costs`` (latency) into a package, and return it, read back.

    The directory is replaced as a whole; weights and whatever else lies in it stay. ``source`` as for ``load_package``. Raises
    CheckpointError for a damaged package.
    """
    directory = Path(directory)
    package = load_package(directory, source=source)
    costs = {**package.costs, **(costs or {})}
    provenance = {**package.provenance, **provenance}
    manifest = {name: value for name, value in package.manifest.items() if name != "files"}
    with replacing_directory(directory) as beside:
        shutil.copytree(directory, beside, dirs_exist_ok=True)
        write_json(beside / "costs.json", costs)
        write_json(beside / "scores.json", {"scores": dict(scores), "provenance": provenance})
        describe_and_seal(beside, candidate=package.candidate, costs=costs, scores=scores, provenance=provenance, manifest=manifest)
    return load_package(directory, source=source)
