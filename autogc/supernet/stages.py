"""Stages: named parts of a generator that decide together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from autogc.errors import ConfigError, nearest
from autogc.supernet.supernet import Supernet


@dataclass(frozen=True)
class Stages:
    """Which stage owns each layer, decomposable site, channel group (the stage of its first producer) and unit (of its first layer)."""

    names: tuple[str, ...]
    of_layer: Mapping[str, str]
    of_group: Mapping[str, str]
    sites: tuple[str, ...]
    of_unit: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def assign(cls, patterns: Mapping[str, Sequence[str]], supernet: Supernet) -> Stages:
        """Give each layer to the first stage with a pattern (fnmatch) that matches its name.

        Raises ConfigError for layers without a stage and for patterns that match nothing.
        """
        problems = []
        of_layer: dict[str, str] = {}
        for stage, wanted in patterns.items():
            for pattern in wanted:
                matched = [layer for layer in supernet.layers if fnmatchcase(layer, pattern)]
                if not matched:
                    problems.append(f"space.stages.{stage}: {pattern!r} matches no layer: {nearest(pattern, supernet.layers)}")
                for layer in matched:
                    of_layer.setdefault(layer, stage)
        homeless = [layer for layer in supernet.layers if layer not in of_layer]
        if homeless:
            problems.append(f"space.stages: no stage has {', '.join(homeless)}; add patterns that match, or a last stage with '*'")
        if problems:
            raise ConfigError(problems)
        of_group = {}
        for group in supernet.discovery.groups:
            owners = [of_layer[layer] for layer in group.producers if layer in of_layer]
            if owners:
                of_group[group.name] = owners[0]
        of_unit = {}
        for unit in supernet.units.values():
            inside = [of_layer[layer] for layer in supernet.layers if unit.holds(layer)]
            if inside:
                of_unit[unit.name] = inside[0]
        return cls(tuple(patterns), of_layer, of_group, supernet.sites, of_unit)

    def layers(self, stage: str) -> list[str]:
        """The layers of a stage, in execution order."""
        return [layer for layer, owner in self.of_layer.items() if owner == stage]

    def groups(self, stage: str) -> list[str]:
        """The channel groups of a stage."""
        return [group for group, owner in self.of_group.items() if owner == stage]

    def sites_of(self, stage: str) -> list[str]:
        """The decomposable sites of a stage."""
        return [site for site in self.sites if self.of_layer[site] == stage]

    def units_of(self, stage: str) -> list[str]:
        """The units of a stage that can be left out, in execution order."""
        return [unit for unit, owner in self.of_unit.items() if owner == stage]
