"""The joint search space: which decisions there are, and which candidate a set of decisions makes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

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

    @classmethod
    def build(cls, config: SpaceConfig, supernet: Supernet) -> Space:
        """Work out the decisions of an experiment's ``space``; what it does not say is made from the supernet (``complete_space``).

        Raises ConfigError with every problem found.
        """
        config = complete_space(config, supernet)
        assert config.stages is not None and config.dimensions is not None
        stages = Stages.assign(config.stages, supernet)
        return cls(plan_decisions(config.dimensions, supernet, stages), stages)

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
        """Return the candidate that a value for every decision makes; neutral values are left out of it."""
        assert set(genotype) == set(self._by_name), "a genotype names every decision, and nothing else"
        choices: dict[str, dict[str, Value]] = {}
        for decision in self.decisions:
            for dimension, target, value in decision.effects(genotype[decision.name]):
                choices.setdefault(dimension, {})[target] = value
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
