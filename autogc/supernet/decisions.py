"""From the experiment file's dimensions to decisions: one value each, applied to one or several targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from autogc.compression import DIMENSIONS, ActivationDimension, ChannelDimension, OperatorDimension, UnitDimension, packed_bytes
from autogc.config.experiment import DimensionConfig
from autogc.errors import ConfigError, nearest
from autogc.supernet.candidate import Value
from autogc.supernet.stages import Stages
from autogc.supernet.supernet import Supernet

WIDTH_MULTIPLE = 8  # Channels come in multiples that vector units and tensor cores like (GAN Compression's spaces use it too).


@dataclass(frozen=True)
class Decision:
    """One choice of the search: ``values`` from the most to the least expensive.

    ``outcomes[value]`` are the (dimension, target, value) triples that a value sets; neutral values set nothing.
    """

    name: str
    values: tuple[Value, ...]
    outcomes: Mapping[Value, tuple[tuple[str, str, Value], ...]] = field(repr=False)

    def effects(self, value: Value) -> tuple[tuple[str, str, Value], ...]:
        """Return what choosing ``value`` sets."""
        return self.outcomes[value]


@dataclass
class _Unit:
    """What decides together in one dimension: a channel group, or a stage; tied ones share the targets."""

    name: str
    targets: list[str]
    values: list[Value]
    # The targets of each of those that are tied: where a value counts, it counts in each of them.
    parts: list[list[str]]


def plan_decisions(dimensions: Mapping[str, DimensionConfig], supernet: Supernet, stages: Stages) -> tuple[Decision, ...]:
    """Return the decisions in a fixed order. Raises ConfigError with every problem found."""
    problems: list[str] = []
    units: dict[str, list[_Unit]] = {}
    for name in DIMENSIONS:
        if name in dimensions:
            units[name] = _units(name, dimensions[name], supernet, stages, problems)
    for name in dimensions:
        if name not in DIMENSIONS:
            problems.append(f"space.dimensions: no dimension named {name!r}: {nearest(name, DIMENSIONS)}")
    if problems:
        raise ConfigError(problems)
    decisions: list[Decision] = []
    for slot in dict.fromkeys(DIMENSIONS[name].slot for name in units):
        sharing = [name for name in units if DIMENSIONS[name].slot == slot]
        decisions += _slot_decisions(slot, {name: units[name] for name in sharing}, supernet, problems)
    if problems:
        raise ConfigError(problems)
    if not decisions:
        raise ConfigError("space.dimensions: nothing to decide; give at least one dimension two values")
    return tuple(decisions)


def _targets(dimension: str, supernet: Supernet, stages: Stages) -> dict[str, list[str]]:
    """Return unit name -> targets for a dimension: groups decide alone, everything else by stage."""
    if dimension == "width":
        return {group.name: [group.name] for group in supernet.discovery.groups}
    if DIMENSIONS[dimension].target == "unit":
        owned = {stage: stages.units_of(stage) for stage in stages.names}
    elif DIMENSIONS[dimension].target == "group":
        owned = {stage: stages.groups(stage) for stage in stages.names}
    elif dimension == "operator":
        owned = {stage: stages.sites_of(stage) for stage in stages.names}
    elif isinstance(DIMENSIONS[dimension], ActivationDimension):
        owned = {stage: [layer for layer in stages.layers(stage) if layer in supernet.quantizable] for stage in stages.names}
    else:
        owned = {stage: stages.layers(stage) for stage in stages.names}
    return {stage: targets for stage, targets in owned.items() if targets}


def _units(dimension: str, config: DimensionConfig, supernet: Supernet, stages: Stages, problems: list[str]) -> list[_Unit]:
    where = f"space.dimensions.{dimension}"
    targets = _targets(dimension, supernet, stages)
    values_of: dict[str, tuple[Any, ...]] = {}
    for pattern, values in sorted(config.choices.items(), key=lambda item: item[0] == "*"):
        matched = [name for name in targets if fnmatchcase(name, pattern)]
        if not matched:
            hint = nearest(pattern, targets) if targets else "the generator has nothing that this dimension applies to"
            problems.append(f"{where}.choices: {pattern!r} matches nothing: {hint}")
        for name in matched:
            values_of.setdefault(name, values)
    tied: dict[str, str] = {}
    for together in config.tie:
        members = [name for pattern in together for name in targets if fnmatchcase(name, pattern)]
        for pattern in together:
            if not any(fnmatchcase(name, pattern) for name in targets):
                problems.append(f"{where}.tie: {pattern!r} matches nothing: {nearest(pattern, targets)}")
        for name in members:
            tied[name] = members[0]
    units: dict[str, _Unit] = {}
    for name, values in values_of.items():
        head = tied.get(name, name)
        allowed = _values(dimension, name, values, len(targets[name]), supernet, where, problems)
        if head in units:
            if units[head].values != allowed:
                problems.append(f"{where}.tie: {name!r} and {head!r} are tied but may take {allowed} and {units[head].values}")
            units[head].targets += targets[name]
            units[head].parts.append(targets[name])
        else:
            units[head] = _Unit(head, list(targets[name]), allowed, [targets[name]])
    return list(units.values())


def _values(
    dimension: str, name: str, values: Sequence[Any], count: int, supernet: Supernet, where: str, problems: list[str]
) -> list[Value]:
    """Return the allowed values of a unit that has ``count`` targets, checked, each once; shares (widths, depths) become numbers."""
    allowed: list[Value] = []
    for value in values:
        if DIMENSIONS[dimension].target == "unit":
            _allow_depth(value, name, count, where, problems, allowed)
            continue
        if dimension == "width":
            size = supernet.discovery.group(name).size
            value = _channels(value, size)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                problems.append(f"{where}: {value!r} is not a width; channels such as 32, or a share of the full width such as 0.5, work")
                continue
            if value is None or (isinstance(value, int) and value > size):
                continue  # "*" speaks of groups of many sizes: each takes what fits it
            multiple = supernet.discovery.group(name).multiple
            if value != size and (value % WIDTH_MULTIPLE or value % multiple):
                problems.append(f"{where}: {value} channels for {name!r} is not a multiple of {max(WIDTH_MULTIPLE, multiple)}")
                continue
        problem = DIMENSIONS[dimension].problem(value)
        if problem:
            problems.append(f"{where}: {problem}")
        elif value not in allowed:
            allowed.append(value)
    if not allowed and not problems:
        problems.append(f"{where}: no value of {list(values)} fits {name!r}")
    return allowed


def _allow_depth(value: Any, name: str, count: int, where: str, problems: list[str], allowed: list[Value]) -> None:
    """Add how many of a stage's ``count`` units stay to the ``allowed`` values; a share above 0 keeps at least one."""
    if isinstance(value, float) and 0 <= value <= 1:
        value = max(1, round(value * count)) if value else 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        problems.append(f"{where}: {value!r} is not a depth; how many units of a stage stay, such as 2, or a share such as 0.5, works")
    elif value <= count and value not in allowed:  # "*" speaks of stages of many sizes: each takes what fits it
        allowed.append(value)


def _channels(value: Any, size: int) -> Any:
    """Return channels for a fraction of the full width in (0, 1], rounded to the nearest multiple; other values as they are."""
    if isinstance(value, float) and 0 < value <= 1:
        if value == 1:
            return size
        return min(size, max(WIDTH_MULTIPLE, round(value * size / WIDTH_MULTIPLE) * WIDTH_MULTIPLE))
    return value


def _slot_decisions(slot: str, units: Mapping[str, list[_Unit]], supernet: Supernet, problems: list[str]) -> list[Decision]:
    """Return the decisions of one slot. Dimensions that exclude each other become one decision at each unit."""
    if len(units) == 1:
        ((dimension, found),) = units.items()
        return [d for unit in found if (d := _decision(f"{dimension}/{unit.name}", {dimension: unit}, supernet)) is not None]
    merged: dict[str, dict[str, _Unit]] = {}
    for dimension, found in units.items():
        for unit in found:
            merged.setdefault(unit.name, {})[dimension] = unit
    decisions = []
    for name, sharing in merged.items():
        if len({tuple(unit.targets) for unit in sharing.values()}) > 1:
            problems.append(f"space.dimensions: {' and '.join(sharing)} exclude each other, so they must be tied alike at {name!r}")
            continue
        decision = _decision(f"{slot}/{name}", sharing, supernet)
        if decision is not None:
            decisions.append(decision)
    return decisions


def _decision(name: str, sharing: Mapping[str, _Unit], supernet: Supernet) -> Decision | None:
    """Return one decision; None when it has a single value that does nothing."""
    outcomes: dict[Value, tuple[tuple[str, str, Value], ...]] = {}
    costs: dict[Value, float] = {}
    for dimension, unit in sharing.items():
        for value in unit.values:
            neutral = _is_neutral(dimension, unit, value, supernet)
            label: Value = value if len(sharing) == 1 else ("full" if neutral else f"{dimension}:{value}")
            outcomes[label] = () if neutral else _outcome(dimension, unit, value)
            costs[label] = _relative_cost(dimension, value)
    if len(sharing) > 1 and not all(DIMENSIONS[dimension].neutral in unit.values for dimension, unit in sharing.items()):
        # "none" beside a list of bits without 32 means that the bits decide, not that nothing does.
        outcomes.pop("full", None)
    values = tuple(sorted(outcomes, key=lambda label: -costs[label]))
    if values == () or (len(values) == 1 and not outcomes[values[0]]):
        return None
    return Decision(name, values, outcomes)


def _outcome(dimension: str, unit: _Unit, value: Value) -> tuple[tuple[str, str, Value], ...]:
    """Return what a value that is not neutral sets.

    Of a stage's units the first ones stay (elastic depth, Cai et al., Once-for-all, ICLR 2020), so that a shallower subnet's are among
    every deeper one's, and each unit always follows the same one. Evenly spread ones would not be nested.
    """
    if DIMENSIONS[dimension].target == "unit":
        return tuple((dimension, target, "skip") for part in unit.parts for target in part[int(value) :])
    return tuple((dimension, target, value) for target in unit.targets)


def _is_neutral(dimension: str, unit: _Unit, value: Value, supernet: Supernet) -> bool:
    if DIMENSIONS[dimension].target == "unit":
        return all(value == len(part) for part in unit.parts)
    if dimension == "width":
        return all(supernet.discovery.group(target).size == value for target in unit.targets)
    return bool(DIMENSIONS[dimension].neutral == value)


def _relative_cost(dimension: str, value: Value) -> float:
    """Return a number that orders a dimension's values by what they cost, and a slot's dimensions among each other."""
    one = DIMENSIONS[dimension]
    if isinstance(one, UnitDimension):
        return float(value)
    if isinstance(one, ChannelDimension):
        return float(one.count(10**6, value, 1))
    if isinstance(one, OperatorDimension):
        return -float(one.operators.index(str(value)))
    if isinstance(one, ActivationDimension):
        return float(value)
    return float(np.asarray(packed_bytes(10**6, 256, {dimension: value})))
