"""The joint search space: which decisions there are, and which candidate a set of decisions makes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np

from autogc.compression import DIMENSIONS
from autogc.config.experiment import SpaceConfig
from autogc.supernet.automatic import complete_space
from autogc.supernet.candidate import Candidate, Value
from autogc.supernet.decisions import Decision, plan_decisions
from autogc.supernet.stages import Stages
from autogc.supernet.supernet import Supernet

Genotype = Mapping[str, Value]


@dataclass(frozen=True)
class Space:
    """Decisions in a fixed order, each with its values from the most to the least expensive."""

    decisions: tuple[Decision, ...]
    stages: Stages
    # The units of each (dimension, target), all of which must be left out for it to mean nothing; what is in no unit is not here.
    inside: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    @classmethod
    def build(cls, config: SpaceConfig, supernet: Supernet) -> Space:
        """Work out the decisions of an experiment's ``space``; what it does not say is made from the supernet (``complete_space``).

        Raises ConfigError with every problem found.
        """
        config = complete_space(config, supernet)
        assert config.stages is not None and config.dimensions is not None
        stages = Stages.assign(config.stages, supernet)
        decisions = plan_decisions(config.dimensions, supernet, stages)
        return cls(decisions, stages, _inside(decisions, supernet))

    @property
    def stage_of(self) -> Mapping[str, str]:
        """The stage of each layer."""
        return self.stages.of_layer

    @property
    def size(self) -> int:
        """How many different sets of decisions there are."""
        return prod(len(decision.values) for decision in self.decisions)

    @cached_property
    def _by_name(self) -> dict[str, Decision]:
        return {decision.name: decision for decision in self.decisions}

    def candidate(self, genotype: Genotype) -> Candidate:
        """Return the candidate that a value for every decision makes.

        Neutral values are left out of it, and those of what lies in units that are left out, so that equal subnets are equal candidates.
        """
        assert set(genotype) == set(self._by_name), "a genotype names every decision, and nothing else"
        choices: dict[str, dict[str, Value]] = {}
        for decision in self.decisions:
            for dimension, target, value in decision.effects(genotype[decision.name]):
                choices.setdefault(dimension, {})[target] = value
        skipped = {unit for unit, value in choices.get("depth", {}).items() if value == "skip"}
        if skipped:
            for dimension, targets in choices.items():
                for target in [one for one in targets if self.inside.get((dimension, one), {""}) <= skipped]:
                    del targets[target]
        return Candidate(choices)

    def indices(self, genotype: Genotype) -> np.ndarray:
        """Return the genotype as indices into each decision's values, int64 of shape (decisions,)."""
        return np.array([decision.values.index(genotype[decision.name]) for decision in self.decisions])

    def genotype(self, indices: Sequence[int] | np.ndarray) -> dict[str, Value]:
        """Return the genotype that ``indices`` says."""
        return {decision.name: decision.values[int(index)] for decision, index in zip(self.decisions, indices, strict=True)}

    def sample(self, generator: random.Random) -> dict[str, Value]:
        """Draw every decision uniformly."""
        return {decision.name: generator.choice(decision.values) for decision in self.decisions}

    def largest(self) -> dict[str, Value]:
        """Every decision at its most expensive value."""
        return {decision.name: decision.values[0] for decision in self.decisions}

    def smallest(self) -> dict[str, Value]:
        """Every decision at its least expensive value."""
        return {decision.name: decision.values[-1] for decision in self.decisions}


def _inside(decisions: Sequence[Decision], supernet: Supernet) -> dict[tuple[str, str], frozenset[str]]:
    """Return ``Space.inside``: of layers, and of channel groups all of whose tensors are in units."""
    groups = {group.name: group for group in supernet.discovery.groups}
    found = {}
    for dimension, target in {effect[:2] for one in decisions for value in one.values for effect in one.effects(value)}:
        kind = DIMENSIONS[dimension].target
        if kind != "unit":
            tensors = [member.tensor for member in groups[target].members] if kind == "group" else [target]
            units = frozenset(map(supernet.unit_of, tensors))
            if "" not in units:
                found[dimension, target] = units
    return found
