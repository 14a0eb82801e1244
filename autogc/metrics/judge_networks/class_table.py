"""Which of a segmenter's outputs is which class of a dataset, where the two were not made for each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autogc.data import IGNORE_INDEX, Dataset
from autogc.errors import ConfigError, nearest

# What may become of outputs that no class has. ``excluded``: the largest of the others counts. ``unlabelled``: where one is the largest,
# the pixel was predicted as no class.
OTHERS = ("error", "excluded", "unlabelled")


@dataclass(frozen=True)
class ClassTable:
    """``outputs`` of each class of the dataset, in their order; ``others`` says what the rest is."""

    names: tuple[str, ...]
    outputs: tuple[tuple[int, ...], ...]
    others: str

    @classmethod
    def of(cls, network: str, classes: Mapping[str, int | Sequence[int]], *, others: str, data: Dataset) -> ClassTable:
        """Return what a file's arguments mean; ``ConfigError`` names ``network`` and says all that is wrong with them."""
        problems = []
        if others not in OTHERS:
            problems.append(f"{network}: others cannot be {others!r}: {nearest(str(others), OTHERS)}")
        if not isinstance(classes, Mapping):
            raise ConfigError([*problems, f"{network}: classes are {{NAME: OUTPUT or [OUTPUT, ...]}}, got {classes!r}"])
        for name in classes:
            if name not in data.class_names:
                problems.append(f"{network}: the dataset has no class {name!r}: {nearest(str(name), data.class_names)}")
        missing = [name for name in data.class_names if name not in classes]
        if missing:
            problems.append(f"{network}: classes say no output for {', '.join(missing)}")
        found = {name: _places(given) for name, given in classes.items()}
        for name, places in found.items():
            if not places:
                problems.append(f"{network}: {name} is an output's number, or a list of them, counted from 0, got {classes[name]!r}")
        every = [place for places in found.values() for place in places]
        twice = sorted({place for place in every if every.count(place) > 1})
        if twice:
            problems.append(f"{network}: the outputs {', '.join(map(str, twice))} are there more than once")
        if problems:
            raise ConfigError(problems)
        return cls(data.class_names, tuple(found[name] for name in data.class_names), others)

    def check(self, count: int, *, network: str) -> None:
        """Raise ``ConfigError`` where a network of ``count`` outputs does not suit this table."""
        used = {place for places in self.outputs for place in places}
        beyond = [place for place in sorted(used) if place >= count]
        if beyond:
            raise ConfigError(f"{network}: classes name the output {beyond[0]}, and the network has {count}, counted from 0")
        rest = [place for place in range(count) if place not in used]
        if rest and self.others == "error":
            some = ", ".join(map(str, rest[:8])) + (", ..." if len(rest) > 8 else "")
            raise ConfigError(
                f"{network}: {len(rest)} of {count} outputs have no class ({some}): name them in classes, or set others to excluded "
                "(they are never chosen) or unlabelled (where they are, no class was found)"
            )

    def tensor(self, count: int) -> Tensor:
        """Return the class of each of ``count`` outputs, uint8 (count,); ``IGNORE_INDEX`` for those of no class."""
        table = torch.full((count,), IGNORE_INDEX, dtype=torch.uint8)
        for place, outputs in enumerate(self.outputs):
            table[list(outputs)] = place
        return table

    def kept(self, count: int) -> list[int]:
        """Return the outputs that may be chosen, in their order."""
        used = {place for places in self.outputs for place in places}
        return [place for place in range(count) if self.others != "excluded" or place in used]


def _places(given: int | Sequence[int]) -> tuple[int, ...]:
    """Return the outputs that are meant, or none where that cannot be told."""
    places = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    right = all(isinstance(place, int) and not isinstance(place, bool) and place >= 0 for place in places)
    return tuple(places) if right else ()
