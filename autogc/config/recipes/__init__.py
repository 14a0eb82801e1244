"""Recipes: named sets of distillation terms and weights, one file and one line here each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autogc.config.recipes import cat, dcd, gan_compression, gcc, omgd, self_supervised, wavelet
from autogc.config.recipes.recipe import Ask, Recipe, RecipeRecord, at, beneath
from autogc.errors import ConfigError, nearest

__all__ = ["RECIPES", "Ask", "Recipe", "RecipeRecord", "at", "resolved"]

RECIPES: dict[str, Recipe] = {
    "gan_compression": gan_compression.RECIPE,
    "self_supervised": self_supervised.RECIPE,
    "omgd": omgd.RECIPE,
    "cat": cat.RECIPE,
    "dcd": dcd.RECIPE,
    "gcc": gcc.RECIPE,
    "wavelet": wavelet.RECIPE,
}


def resolved(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment's keys and values with those of its ``recipe`` beneath, and in ``recipe`` a record of what that was.

    A tree without a recipe, or with a record, stays as it is. Raises ConfigError for a name that no recipe has.
    """
    name = tree.get("recipe")
    if not isinstance(name, str):
        return dict(tree)
    if name not in RECIPES:
        raise ConfigError(f"recipe: no recipe named {name!r}: {nearest(name, RECIPES)}")
    recipe = RECIPES[name]
    return {**beneath(recipe.settings, tree), "recipe": {"name": name, "sha256": recipe.sha256}}
