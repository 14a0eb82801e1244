"""A chosen subnet as a directory that stands alone: architecture as plain data, weights, what it is and what it costs."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from autogc import __version__
from autogc.compression import Value, compress
from autogc.config.generator import GeneratorConfig
from autogc.config.source import Source
from autogc.errors import CandidateError, CheckpointError
from autogc.export import architecture as plan
from autogc.export.packed import Entry, entries_of, read_packed, write_packed
from autogc.export.readme import readme
from autogc.export.source import COPY, generator_of, source_needed
from autogc.export.tensors import assign, named_tensors
from autogc.files import read_json, replacing_directory, sha256_file, write_json
from autogc.models.custom import load_class
from autogc.supernet.candidate import Candidate
from autogc.supernet.operators import QuantizedInput
from autogc.supernet.supernet import Supernet

FORMAT = 1
MANIFEST = "manifest.json"
FILES = (
    "README.md",
    "architecture.json",
    "candidate.json",
    "costs.json",
    "packed.safetensors",
    "scores.json",
    "weights.safetensors",
)


@dataclass(frozen=True)
class Package:
    """An exported subnet.

    ``module`` is an ordinary module, really smaller: no masks, no unused channels; its weights are compressed.
    ``values`` are the compression values of each compressed weight by tensor name: ``compress(weight, values[name])`` changes no bit.
    """

    directory: Path
    module: nn.Module
    candidate: Candidate
    costs: dict[str, float]
    scores: dict[str, float]
    provenance: dict[str, Any]
    values: dict[str, dict[str, Value]]
    architecture: dict[str, Any]
    manifest: dict[str, Any]
    # Of a generator that is a class of the user's own: the file or module that it was built from here.
    source: str | None

    @property
    def hash(self) -> str:
        """The SHA-256 of the manifest, and so of everything in the package."""
        return sha256_file(self.directory / MANIFEST)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape (1, C, H, W) at which the costs were counted."""
        return tuple(self.manifest["input_shape"])


def write_package(
    directory: str | Path,
    *,
    supernet: Supernet,
    candidate: Candidate,
    generator: GeneratorConfig,
    input_shape: Sequence[int],
    costs: Mapping[str, float],
    scores: Mapping[str, float],
    experiment: Mapping[str, Any],
    provenance: Mapping[str, Any],
    statistics: Mapping[str, Tensor] | None = None,
) -> Package:
    """Extract a subnet and write it to ``directory``, whole or not at all; return what was written, read back.

    ``generator`` is the full one, with everything that its builder was given among its args (``autogc.models.completed``); of a class of
    the user's own the source goes into the package, as data. ``input_shape`` is the (1, C, H, W) that ``costs`` were counted at;
    ``provenance`` says how ``scores`` were taken.
    ``statistics`` are the subnet's own running statistics (``Supernet.calibrate``); without them it has slices of the supernet's.

    Raises CandidateError for a candidate that is not the supernet's, CheckpointError for a module that plain data can't describe.
    """
    supernet.check(candidate)
    module = supernet.extract(candidate, statistics).cpu()
    return _write(
        Path(directory),
        module,
        architecture=plan.describe(module, generator),
        values=values_by_tensor(supernet, candidate, module),
        candidate=candidate,
        costs=costs,
        scores=scores,
        provenance=provenance,
        manifest={"input_shape": list(input_shape), "experiment": dict(experiment), "parent": None},
        source=generator.source,
        copied=None if generator.source is None else Source.find(generator.source).path,
    )


def write_like(
    package: Package,
    module: nn.Module,
    directory: str | Path,
    *,
    scores: Mapping[str, float],
    provenance: Mapping[str, Any],
    costs: Mapping[str, float] | None = None,
) -> Package:
    """Write a fine-tuned successor of ``package``: its architecture and candidate, the weights of ``module`` compressed by its values.

    ``costs`` replace those of the package that were measured again (latency); counted costs can't differ. The parent's hash is recorded.
    Raises CheckpointError when ``module`` has other tensors than the package's.
    """
    kept = {name: package.manifest[name] for name in ("input_shape", "experiment")}
    return _write(
        Path(directory),
        module,
        architecture=package.architecture,
        values=package.values,
        candidate=package.candidate,
        costs={**package.costs, **(costs or {})},
        scores=scores,
        provenance=provenance,
        manifest={**kept, "parent": {"candidate": package.candidate.hash, "manifest_sha256": package.hash}},
        source=package.source,
        copied=None if package.source is None else package.directory / COPY,
    )


def load_package(directory: str | Path, *, trust_source: bool = False, source: str | Path | None = None) -> Package:
    """Read a package: check every file's hash, rebuild the module on the CPU from plain data, load its weights strictly.

    Nothing that came with a package runs by itself. Where its generator is a class of somebody's own, say what may run: ``source``, your
    file (or installed module) with the class, which must have the recorded content; or ``trust_source``, the package's own copy of it.
    For a registered generator both mean nothing.

    Raises CheckpointError, naming the file, for one that is missing, damaged or of another format, and for a class whose source was not
    allowed or is another; ConfigError when the generator's builder is not registered here.
    """
    directory = Path(directory)
    manifest = _checked_manifest(directory)
    architecture = read_json(directory / "architecture.json")
    generator = generator_of(architecture["builder"], directory, trust_source=trust_source, source=source)
    if source is None and generator.source is not None:
        load_class(generator, alone=True)  # before anything else imports it with what lies in the directory
    module = plan.build(architecture, generator)
    weights = directory / "weights.safetensors"
    assign(module, load_file(weights), shared=architecture["shared"], where=str(weights))
    scores = read_json(directory / "scores.json")
    try:
        candidate = Candidate.from_json(read_json(directory / "candidate.json"))
    except CandidateError as error:
        raise CheckpointError(f"{directory / 'candidate.json'}: {error}") from None
    return Package(
        directory=directory,
        module=module,
        candidate=candidate,
        costs=read_json(directory / "costs.json"),
        scores=scores["scores"],
        provenance=scores["provenance"],
        values={entry.name: dict(entry.values) for entry in _entries(architecture) if entry.values},
        architecture=architecture,
        manifest=manifest,
        source=generator.source,
    )


def unpack_weights(directory: str | Path) -> dict[str, Tensor]:
    """Return the tensors that ``packed.safetensors`` holds: those of ``weights.safetensors``, bit for bit."""
    directory = Path(directory)
    _checked_manifest(directory)
    return read_packed(directory / "packed.safetensors", _entries(read_json(directory / "architecture.json")))


def _write(
    directory: Path,
    module: nn.Module,
    *,
    architecture: Mapping[str, Any],
    values: Mapping[str, Mapping[str, Value]],
    candidate: Candidate,
    costs: Mapping[str, float],
    scores: Mapping[str, float],
    provenance: Mapping[str, Any],
    manifest: Mapping[str, Any],
    source: str | None,
    copied: Path | None,
) -> Package:
    tensors = {name: tensor.cpu() for name, tensor in named_tensors(module).items()}
    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    tensors = {name: compress(tensor, values[name]) if name in values else tensor for name, tensor in tensors.items()}
    tensors = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    entries = entries_of(tensors, values)
    if "tensors" in architecture and entries != _entries(architecture):
        raise CheckpointError(f"{directory}: the module's tensors are not the package's: {_difference(entries, _entries(architecture))}")
    with replacing_directory(directory) as beside:
        save_file(tensors, beside / "weights.safetensors")
        write_packed(beside / "packed.safetensors", tensors, entries)
        write_json(beside / "architecture.json", {**architecture, "tensors": [entry.to_json() for entry in entries]})
        write_json(beside / "candidate.json", candidate.to_json())
        write_json(beside / "costs.json", dict(costs))
        write_json(beside / "scores.json", {"scores": dict(scores), "provenance": dict(provenance)})
        whole = {
            **manifest,
            "format": FORMAT,
            "candidate": candidate.hash,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {"autogc": __version__, "torch": torch.__version__, "python": platform.python_version()},
        }
        if copied is not None:
            shutil.copyfile(copied, beside / COPY)
        describe_and_seal(beside, candidate=candidate, costs=costs, scores=scores, provenance=provenance, manifest=whole)
    return load_package(directory, source=source)


def describe_and_seal(
    directory: Path,
    *,
    candidate: Candidate,
    costs: Mapping[str, float],
    scores: Mapping[str, float],
    provenance: Mapping[str, Any],
    manifest: Mapping[str, Any],
) -> None:
    """Write the two files of a package that speak of all others: the page and, last, the manifest with their hashes."""
    own = (directory / COPY).is_file()
    readme(
        directory / "README.md",
        candidate=candidate,
        costs=costs,
        scores=scores,
        provenance=provenance,
        manifest=manifest,
        generator_file=COPY if own else None,
        needed=source_needed(read_json(directory / "architecture.json")["builder"]),
    )
    names = (*FILES, COPY) if own else FILES
    write_json(directory / MANIFEST, {**manifest, "files": {name: sha256_file(directory / name) for name in names}})


def _checked_manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    if not path.is_file():
        raise CheckpointError(f"{directory} is not a package: it has no {MANIFEST}; `autogc export` writes packages")
    try:
        manifest = read_json(path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: damaged, not JSON: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else None
        raise CheckpointError(f"{path}: format {found!r}; this version of autogc reads format {FORMAT}")
    hashes = manifest.get("files", {})
    for name in (*FILES, COPY) if COPY in hashes else FILES:
        if name not in hashes:
            raise CheckpointError(f"{path}: does not list {name}")
        if not (directory / name).is_file():
            raise CheckpointError(f"{directory / name}: missing")
        if sha256_file(directory / name) != hashes[name]:
            raise CheckpointError(f"{directory / name}: damaged or edited, its SHA-256 is not the manifest's; export it again")
    return manifest


def _entries(architecture: Mapping[str, Any]) -> list[Entry]:
    return [Entry.from_json(entry) for entry in architecture["tensors"]]


def values_by_tensor(supernet: Supernet, candidate: Candidate, module: nn.Module) -> dict[str, dict[str, Value]]:
    """Return the compression values by the extracted module's tensor names."""
    found = {}
    skipped = supernet.skipped(candidate)
    for layer in supernet.layers:
        if any(unit.holds(layer) for unit in skipped):
            continue
        values = supernet.values_of(layer, candidate)
        inside = f"{layer}.layer" if isinstance(module.get_submodule(layer), QuantizedInput) else layer
        for name in supernet.weights_of(layer, candidate.get("operator", layer, "dense")):
            if values:
                found[inside + name.removeprefix(layer)] = values
    return found


def _difference(found: Sequence[Entry], expected: Sequence[Entry]) -> str:
    have, want = ({(entry.name, entry.shape, entry.dtype) for entry in entries} for entries in (found, expected))
    return f"unexpected {sorted(have - want)}, missing {sorted(want - have)}" if have != want else "they are in another order"
