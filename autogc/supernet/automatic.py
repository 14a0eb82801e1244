"""A search space for a generator of which nobody has written one: its own parts as stages, the usual values everywhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from autogc.config.experiment import DimensionConfig, SpaceConfig
from autogc.supernet.supernet import Supernet

# More stages than this are more decisions than a search of a few hundred evaluations learns about.
MOST_STAGES = 12
# A part of more than one in this many layers is looked into.
LARGE = 4
WIDTHS = (1.0, 0.75, 0.5, 0.25)
OPERATORS = ("dense", "separable")
WEIGHT_BITS = (32, 16, 8, 6, 4)
PRUNED = (0.0, 0.3, 0.5)
DEPTHS = (1.0, 0.75, 0.5, 0.25)


def complete_space(config: SpaceConfig, supernet: Supernet) -> SpaceConfig:
    """Return a space with what it does not say: stages from the generator's parts, the usual dimensions where they have a choice."""
    leads = [next(layer for layer in supernet.layers if unit.holds(layer)) for unit in supernet.units.values()]
    stages = automatic_stages(supernet.layers, leads) if config.stages is None else config.stages
    dimensions = automatic_dimensions(supernet) if config.dimensions is None else config.dimensions
    return config.model_copy(update={"stages": stages, "dimensions": dimensions})


def automatic_dimensions(supernet: Supernet) -> dict[str, DimensionConfig]:
    """Return widths for every channel group, operators for every decomposable convolution, bits and pruning for every layer, depths for
    stages with units that may be left out."""
    values: dict[str, tuple[object, ...]] = {}
    if supernet.units:
        values["depth"] = DEPTHS
    if supernet.discovery.groups:
        values["width"] = WIDTHS
    if supernet.sites:
        values["operator"] = OPERATORS
    if supernet.layers:
        values |= {"element_pruning": PRUNED, "weight_bits": WEIGHT_BITS}
    return {name: DimensionConfig(choices={"*": chosen}) for name, chosen in values.items()}


def automatic_stages(layers: Sequence[str], leads: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """Return stages (name -> patterns of layer names) from the names of layers in execution order.

    A stage is a part of the generator: a child of the top module, or, while one part owns more than a quarter of all layers, its children.
    Where that would be more than ``MOST_STAGES``, neighbours go together, evenly where they can: nine blocks beside six other parts are
    ``blocks.0-2``, ``blocks.3-5`` and ``blocks.6-8``. ``leads`` are the first layers of units that may be left out: of a run of them, two
    or more stay together, since a depth is how many of a stage's units stay.
    """
    stages = [_Part(("",), tuple(layers))]
    while len(stages) < MOST_STAGES:
        large = [part for part in stages if part.children() and LARGE * len(part.layers) > len(layers) and part.room(leads) > 1]
        if not large:
            break
        largest = max(large, key=lambda part: len(part.layers))
        place = stages.index(largest)
        stages[place : place + 1] = _together(largest.children(), min(MOST_STAGES - len(stages) + 1, largest.room(leads)))
    return {part.label: part.patterns for part in stages}


@dataclass(frozen=True)
class _Part:
    """One part of the generator (``names`` its qualified name), or several neighbours that go together, and the layers in them."""

    names: tuple[str, ...]
    layers: tuple[str, ...]

    def children(self) -> list[_Part]:
        """Return the parts that this one consists of, in execution order; none where it is a layer or several parts."""
        if len(self.names) > 1 or self.layers == self.names:
            return []
        depth = self.names[0].count(".") + 1 if self.names[0] else 0
        found: dict[str, list[str]] = {}
        for layer in self.layers:
            found.setdefault(".".join(layer.split(".")[: depth + 1]), []).append(layer)
        return [_Part((name,), tuple(inside)) for name, inside in found.items()]

    def room(self, leads: Collection[str]) -> int:
        """Return how many stages it may become: where it is a run of units, at least two of them to a stage."""
        units = [sum(layer in leads for layer in child.layers) for child in self.children()]
        is_run = max(units, default=0) == 1 and 2 * sum(units) >= len(units)
        return max(1, sum(units) // 2) if is_run else MOST_STAGES

    @property
    def label(self) -> str:
        """``blocks.3``; ``blocks.3-5`` for neighbours with numbers, ``enc1..enc4`` for others."""
        first, last = self.names[0], self.names[-1]
        if first == last:
            return first or "all"
        number = last.rpartition(".")[2]
        return f"{first}-{number}" if number.isdigit() else f"{first}..{last}"

    @property
    def patterns(self) -> tuple[str, ...]:
        """Patterns that match its layers and no other part's: a layer's own name, and everything under a part's."""
        wanted = [(name, f"{name}.*" if name else "*") for name in self.names]
        own = [
            [name] * (name in self.layers) + [under] * any(layer.startswith(under[:-1]) for layer in self.layers) for name, under in wanted
        ]
        return tuple(pattern for patterns in own for pattern in patterns)


def _together(parts: Sequence[_Part], most: int) -> list[_Part]:
    """Return at most ``most`` parts: consecutive ones joined, all equally many where a number near enough allows it."""
    if len(parts) <= most:
        return list(parts)
    count = next((number for number in range(most, max(1, most // 2) - 1, -1) if len(parts) % number == 0 and number > 1), most)
    ends = [len(parts) * (index + 1) // count for index in range(count)]
    runs = [parts[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return [_Part(tuple(n for part in run for n in part.names), tuple(layer for part in run for layer in part.layers)) for run in runs]
