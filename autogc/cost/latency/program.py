"""Which operator calls a subnet makes, as a function of its candidate: known for a whole space from a few traces."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import product

import numpy as np

from autogc.cost.latency.affine import PROBES, fitted
from autogc.cost.latency.calls import Call, key_of, recorded
from autogc.errors import ConversionError
from autogc.files import sha256_json
from autogc.supernet.candidate import Candidate, Value
from autogc.supernet.groups import AxisLength
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet

# The dimensions, besides channels, that decide which operators a layer runs; the others change values only.
RUNNING = ("operator", "activation_bits")
CHANNELS = ("width", "filter_pruning")
DEPTH = "depth"
Variant = tuple[Value | None, ...]  # a value of each of RUNNING, None where neutral


@dataclass(frozen=True)
class ElasticCall:
    """A call whose integers (shapes among them) follow the kept channels."""

    template: str
    numbers: tuple[AxisLength, ...]
    kind: str

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The channel groups that the call's integers depend on."""
        return tuple(sorted({group for length in self.numbers for group, _ in length.parts}))


@dataclass(frozen=True)
class Program:
    """The calls of each owner: those of a layer by variant, of anything else under the neutral one alone."""

    calls: Mapping[str, Mapping[Variant, tuple[ElasticCall, ...]]]
    sizes: Mapping[str, int]  # channels of each group
    units: Mapping[str, str] = field(default_factory=dict)  # the unit of each owner that is in one: without it, it makes no calls

    @cached_property
    def identity(self) -> str:
        """A hash of all of it: networks of the same identity take the same time, whatever their weights."""
        described = {
            owner: [[list(variant), [asdict(call) for call in calls]] for variant, calls in variants.items()]
            for owner, variants in self.calls.items()
        }
        units = {"units": dict(self.units)} if self.units else {}
        return sha256_json({"calls": described, "sizes": dict(self.sizes), **units})

    def made_by(self, candidate: Candidate, kept: Mapping[str, int]) -> list[Call]:
        """Return the calls that a candidate's subnet makes, owner by owner."""
        found = []
        for owner, variants in self.calls.items():
            if candidate.get(DEPTH, self.units.get(owner, "")) == "skip":
                continue
            variant = tuple(candidate.get(dimension, owner) for dimension in RUNNING)
            for call in variants[variant if variant in variants else NEUTRAL]:
                found.append(Call(owner, call.template, tuple(int(length.of(kept)) for length in call.numbers), call.kind))
        return found


NEUTRAL: Variant = (None,) * len(RUNNING)


def program_of(supernet: Supernet, space: Space) -> Program:
    """Work out the calls of every subnet of the space, by tracing some on shapes alone, and check them on others drawn at random.

    Raises ConversionError where a network does other things at other widths.
    """
    choices = {dimension: _values(space, dimension) for dimension in RUNNING}
    found: dict[str, dict[Variant, tuple[ElasticCall, ...]]] = {}
    for variant in product(*(choices[dimension] for dimension in RUNNING)):
        for owner, calls in _traced(supernet, dict(zip(RUNNING, variant, strict=True))).items():
            own = tuple(_own(supernet, dimension, owner, value) for dimension, value in zip(RUNNING, variant, strict=True))
            found.setdefault(owner, {}).setdefault(own, calls)
    units = {owner: unit for owner in found if (unit := supernet.unit_of(owner))}
    program = Program(found, {group.name: group.size for group in supernet.discovery.groups}, units)
    draw = random.Random(0)
    for genotype in (space.largest(), space.smallest(), space.sample(draw), space.sample(draw)):
        _check(program, supernet, running(space.candidate(genotype)))
    return program


def running(candidate: Candidate) -> Candidate:
    """Return what of a candidate decides what runs. Weights take the same time whatever their values, and compressing them takes long."""
    return Candidate({name: targets for name, targets in candidate.choices.items() if name in (*CHANNELS, *RUNNING, DEPTH)})


def kept_channels(supernet: Supernet, candidate: Candidate) -> dict[str, int]:
    """Return how many channels of each group a candidate keeps."""
    return {name: len(kept) for name, kept in supernet.kept(candidate).items()}


def _values(space: Space, dimension: str) -> list[Value | None]:
    """Return the values of a dimension that the space gives any target, the neutral one first."""
    effects = [effect for decision in space.decisions for value in decision.values for effect in decision.effects(value)]
    return [None, *dict.fromkeys(value for name, _, value in effects if name == dimension)]


def _targets(supernet: Supernet, dimension: str) -> Sequence[str]:
    return supernet.sites if dimension == "operator" else supernet.quantizable


def _own(supernet: Supernet, dimension: str, owner: str, value: Value | None) -> Value | None:
    """Return the value where it applies to the owner, else the neutral one."""
    return value if owner in _targets(supernet, dimension) else None


def _traced(supernet: Supernet, values: Mapping[str, Value | None]) -> dict[str, tuple[ElasticCall, ...]]:
    """Return each owner's calls where every layer that can has these values."""
    fixed = {name: dict.fromkeys(_targets(supernet, name), value) for name, value in values.items() if value is not None}
    groups = [group for group in supernet.discovery.groups if group.size > 2 * group.multiple]
    draw = np.random.default_rng(0)
    probes = np.array([[group.size for group in groups]], dtype=np.int64)
    runs = [_calls(supernet, Candidate(fixed))]
    solved: dict[tuple[int, ...], AxisLength | None] = {}
    for wanted in (PROBES, len(groups) + 3):
        while len(probes) < wanted:
            # Not one: a depthwise convolution of one channel is called as if it were an ordinary one.
            row = [group.multiple * int(draw.integers(2, group.size // group.multiple + 1)) for group in groups]
            widths = {group.name: kept for group, kept in zip(groups, row, strict=True) if kept < group.size}
            probes = np.vstack([probes, np.array([row], dtype=np.int64)])
            runs.append(_calls(supernet, Candidate({**fixed, "width": widths})))
        if len({tuple((call.owner, call.template) for call in run) for run in runs}) > 1:
            raise ConversionError("latency can't be predicted: this generator's subnets of other widths don't run the same operators")
        together = list(zip(*runs, strict=True))
        sequences = {sequence for calls in together for sequence in zip(*(call.numbers for call in calls), strict=True)}
        names = [group.name for group in groups]
        solved = {sequence: fitted(sequence, probes, names) for sequence in sequences}
        if None not in solved.values():
            break
    if None in solved.values():
        raise ConversionError("latency can't be predicted: sizes inside this generator don't follow its channels linearly")
    found: dict[str, list[ElasticCall]] = {}
    for calls in zip(*runs, strict=True):
        lengths = tuple(solved[tuple(sequence)] for sequence in zip(*(call.numbers for call in calls), strict=True))
        found.setdefault(calls[0].owner, []).append(ElasticCall(calls[0].template, lengths, calls[0].kind))  # type: ignore[arg-type]
    return {owner: tuple(calls) for owner, calls in found.items()}


def _calls(supernet: Supernet, candidate: Candidate) -> tuple[Call, ...]:
    return recorded(supernet.extract(candidate), supernet.example_shape, supernet.layers)


def _check(program: Program, supernet: Supernet, candidate: Candidate) -> None:
    """Compare what the program says of a candidate with a trace of its subnet."""
    said = _by_owner(program.made_by(candidate, kept_channels(supernet, candidate)))
    made = _by_owner(_calls(supernet, candidate))
    differing = [owner for owner in {**said, **made} if said.get(owner) != made.get(owner)]
    if differing:
        raise ConversionError(
            f"latency can't be predicted: in {', '.join(map(repr, sorted(differing)[:3]))} subnets do something that depends on more than "
            "their channels and operators"
        )


def _by_owner(calls: Sequence[Call]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for call in calls:
        found.setdefault(call.owner, []).append(key_of(call.template, call.numbers))
    return found
