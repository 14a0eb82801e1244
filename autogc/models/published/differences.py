"""Saying how a checkpoint's tensors differ from those that a module has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

# How many names a message lists before it counts the rest.
LISTED = 12


def differences(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """Return what keeps ``found`` from being loaded where ``own`` is: names missing and unexpected, shapes; empty when nothing does."""
    problems = []
    if missing := [name for name in own if name not in found]:
        problems.append(f"missing: {listed(missing)}")
    if unexpected := [name for name in found if name not in own]:
        problems.append(f"unexpected: {listed(unexpected)}")
    return problems + shape_differences(found, own)


def shape_differences(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """Return the shapes that differ among the names that both have, as one problem or none."""
    shapes = [
        f"{name} is {tuple(found[name].shape)}, needed {tuple(own[name].shape)}"
        for name in own
        if name in found and found[name].shape != own[name].shape
    ]
    return [f"other shapes: {listed(shapes)}"] if shapes else []


def listed(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def all_named(names: Iterable[str]) -> str:
    """Return every tensor's name, those of modules that have the same ones together: ``model.2, model.5 (running_mean, running_var)``."""
    leaves: dict[str, list[str]] = {}
    for name in names:
        place, _, leaf = name.rpartition(".")
        leaves.setdefault(place, []).append(leaf)
    together: dict[tuple[str, ...], list[str]] = {}
    for place, own in leaves.items():
        together.setdefault(tuple(own), []).append(place)
    return "; ".join(f"{', '.join(places)} ({', '.join(own)})" for own, places in together.items())
