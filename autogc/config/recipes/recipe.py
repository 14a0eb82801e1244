"""What a recipe is: settings that a publication stands for, which an experiment file starts from and overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autogc.config.section import Section
from autogc.files import sha256_json


@dataclass(frozen=True)
class Ask:
    """What a file must say itself at a key: ``what`` it is, needed while the value at the key ``of`` is the recipe's, or any but 0."""

    what: str
    of: str


@dataclass(frozen=True)
class Recipe:
    """``settings`` are an experiment's keys and values, ``paper`` where they are from, ``differs`` what is done in another way here.

    ``asks`` are the keys that the file must give itself.
    """

    paper: str
    settings: Mapping[str, Any]
    differs: str
    asks: Mapping[str, Ask] = field(default_factory=dict)

    def missing(self, tree: Mapping[str, Any]) -> dict[str, str]:
        """Return what the recipe asks of an experiment's keys and values and they don't say, by key."""
        return {key: ask.what for key, ask in self.asks.items() if self._needed(ask, tree) and not at(tree, key)}

    def _needed(self, ask: Ask, tree: Mapping[str, Any]) -> bool:
        value = at(tree, ask.of)
        return value == at(self.settings, ask.of) if isinstance(value, str) else bool(value)

    @property
    def sha256(self) -> str:
        """The hash of the settings: what tells one state of a recipe from a later one."""
        return sha256_json(self.settings)


class RecipeRecord(Section):
    """Which recipe an experiment was made from. Its settings stand in the experiment itself by then: nothing is looked up again."""

    name: str
    sha256: str


def at(tree: Mapping[str, Any], key: str) -> Any:
    """Return what stands at a dotted key; None where nothing does."""
    here: Any = tree
    for part in key.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def beneath(settings: Mapping[str, Any], tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``tree`` with ``settings`` as defaults beneath it.

    Sections are merged key by key; everything else, lists too, is the tree's where it says it. A section of the tree that has another
    ``name`` than the recipe's stands alone: the arguments of one network are not those of another. A number in the place of a section
    with a ``weight`` is that weight.
    """
    merged = dict(settings)
    for key, value in tree.items():
        usual = settings.get(key)
        if isinstance(usual, Mapping) and "weight" in usual and isinstance(value, int | float) and not isinstance(value, bool):
            value = {"weight": value}
        if isinstance(usual, Mapping) and isinstance(value, Mapping) and value.get("name", usual.get("name")) == usual.get("name"):
            merged[key] = beneath(usual, value)
        else:
            merged[key] = value
    return merged
