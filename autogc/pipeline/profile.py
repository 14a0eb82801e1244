"""What one subnet costs, in closed form and counted again on the real module. Nothing is trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autogc.cost import COSTS, MeasuredPeak, Recount, measure_peak, recount
from autogc.errors import AutogcError, CandidateError, nearest
from autogc.export import load_package, packed_file_size, values_by_tensor
from autogc.export.package import MANIFEST
from autogc.files import read_json
from autogc.pipeline.run import EXPERIMENT
from autogc.pipeline.subject import Subject, open_subject
from autogc.supernet.candidate import Candidate

# The subnets that go by a name instead of a file.
NAMED = ("full", "smallest")
REFEREES = {
    "macs": "fvcore, on the module",
    "macs_published": "fvcore, transposed convolutions at their output positions",
    "bops": "fvcore's MACs of each layer x the bits of its weight and input",
    "params": "the module's parameters",
    "storage_bytes": "the packed file's size",
    "peak_activation_bytes": "PyTorch's allocator, after every operator",
}


@dataclass(frozen=True)
class Comparison:
    """One cost: ``formula`` is the closed form's (or a package's own word; None where it has none), ``counted`` that of the referee."""

    cost: str
    formula: int | None
    counted: int
    referee: str

    @property
    def difference(self) -> int | None:
        """Return counted less formula."""
        return None if self.formula is None else self.counted - self.formula


@dataclass(frozen=True)
class Profile:
    """What one subnet costs. ``what`` says which it is, ``formula`` where the first column comes from, ``following`` what to type next."""

    what: str
    formula: str
    candidate: Candidate
    module: nn.Module
    example: Tensor
    comparisons: tuple[Comparison, ...]
    counts: Recount
    memory: MeasuredPeak
    following: str

    def to_json(self) -> dict[str, Any]:
        """Return everything but the module as JSON-ready data."""
        return {
            "what": self.what,
            "candidate": {"hash": self.candidate.hash, **self.candidate.to_json()},
            "input_shape": list(self.example.shape),
            "costs": {one.cost: {**asdict(one), "difference": one.difference} for one in self.comparisons},
            "fvcore_by_operator": dict(self.counts.by_operator),
            "norm_macs": self.counts.norm_macs,
            "peak_with_workspaces_bytes": self.memory.with_workspaces_bytes,
            "layers": [asdict(layer) for layer in self.counts.layers],
        }


def profile_subnet(path: str | Path, *, candidate: str = "full", overrides: Sequence[str] = ()) -> Profile:
    """Extract a subnet of an experiment file's generator, with fresh weights, and count what it costs.

    ``candidate`` is ``full``, ``smallest`` (every decision of the space at its least), a package's directory or its ``candidate.json``, or
    a JSON file that maps every decision of the space to a value. Raises CandidateError where it is none of these or not of this generator,
    and what ``open_subject`` raises.
    """
    subject = open_subject(path, overrides=overrides)
    chosen = read_candidate(candidate, subject)
    module = subject.supernet.extract(chosen)
    return _profile(
        module,
        subject.example,
        values=values_by_tensor(subject.supernet, chosen, module),
        formula=subject.costs.costs(chosen),
        what=f"{subject.experiment.generator.label}, {candidate} subnet" if candidate in NAMED else f"{candidate}, of {path}",
        said="closed form",
        candidate=chosen,
        following=f"autogc profile {path} --candidate smallest" if candidate == "full" else f"autogc inspect {path}",
    )


def profile_package(directory: str | Path, *, source: str | Path | None = None, trust_source: bool = False) -> Profile:
    """Count what an exported package costs, beside what it says itself. ``source`` and ``trust_source`` as for ``load_package``.

    Raises CheckpointError where it is none or damaged, AutogcError for a run directory, with its packages.
    """
    directory = Path(directory)
    if not (directory / MANIFEST).is_file() and (directory / EXPERIMENT).is_file():
        packages = sorted(str(found.parent) for stage in ("export", "finetune") for found in directory.glob(f"{stage}/*/{MANIFEST}"))
        listed = ", ".join(packages) if packages else f"it has none yet: autogc export {directory}"
        raise AutogcError(f"{directory} is a run directory; name a package in it ({listed})")
    package = load_package(directory, source=source, trust_source=trust_source)
    known = {name: int(value) for name, value in package.costs.items() if name in COSTS}
    return _profile(
        package.module,
        torch.zeros(package.input_shape),
        values=package.values,
        formula=known,
        what=f"package {directory}",
        said="costs.json",
        candidate=package.candidate,
        following=f"autogc evaluate {directory}",
    )


def _profile(
    module: nn.Module,
    example: Tensor,
    *,
    values: Mapping[str, Mapping[str, Any]],
    formula: Mapping[str, int],
    what: str,
    said: str,
    candidate: Candidate,
    following: str,
) -> Profile:
    counts = recount(module, example, values)
    counted = {name: counts.total(name) for name in ("macs", "macs_published", "bops", "params")}
    counted["storage_bytes"] = packed_file_size(module, values)
    memory = measure_peak(module, example)
    counted["peak_activation_bytes"] = memory.held_bytes
    comparisons = tuple(Comparison(name, formula.get(name), counted[name], REFEREES[name]) for name in COSTS)
    return Profile(what, said, candidate, module, example, comparisons, counts, memory, following)


def read_candidate(name: str, subject: Subject) -> Candidate:
    """Return the candidate that ``name`` means: see ``profile_subnet``."""
    if name == "full":
        return Candidate({})
    if name == "smallest":
        return subject.space.candidate(subject.space.smallest())
    path = Path(name)
    path = path / "candidate.json" if path.is_dir() else path
    if not path.is_file():
        raise CandidateError(f"no candidate {name!r}: full and smallest work, or a file such as a package's candidate.json")
    try:
        data = read_json(path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CandidateError(f"{path}: not JSON: {error}") from None
    if not isinstance(data, dict):
        raise CandidateError(f"{path}: holds a {type(data).__name__}; a package's candidate.json works, or a value for every decision")
    try:
        chosen = Candidate.from_json(data) if "choices" in data else _of_decisions(data, subject)
        subject.supernet.check(chosen)
    except CandidateError as error:
        raise CandidateError(f"{path}: {error}") from None
    return chosen


def _of_decisions(data: Mapping[str, Any], subject: Subject) -> Candidate:
    """Return the candidate of a value for each decision of the space."""
    decisions = {decision.name: decision.values for decision in subject.space.decisions}
    problems = [f"no decision named {name!r}: {nearest(name, decisions)}" for name in data if name not in decisions]
    problems += [f"{name!r} has no value; its values: {', '.join(map(str, decisions[name]))}" for name in decisions if name not in data]
    problems += [
        f"{name!r} can't be {value!r}; its values: {', '.join(map(str, decisions[name]))}"
        for name, value in data.items()
        if name in decisions and (isinstance(value, bool) or value not in decisions[name])
    ]
    if problems:
        raise CandidateError("; ".join(problems) + " (autogc inspect shows the decisions)")
    return subject.space.candidate(data)
