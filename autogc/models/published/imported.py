"""What an importer gives, and which importer is for which family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from torch import Tensor, nn


class Imported(NamedTuple):
    """A published checkpoint as a state dict in our names. ``notes`` say what was handled, and name every tensor that is left out."""

    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()


class Importer(Protocol):
    """Reads one family's published layouts."""

    def __call__(self, found: Mapping[str, Tensor], module: nn.Module) -> Imported:
        """Return what to load into ``module``. Raises CheckpointError saying what doesn't fit and what would."""


# By the module's class: that of the generator or discriminator which the weights are for.
IMPORTERS: dict[type[nn.Module], Importer] = {}


def imports(kind: type[nn.Module]) -> Callable[[Importer], Importer]:
    """Return a decorator that registers the importer for modules of class ``kind``."""

    def decorate(importer: Importer) -> Importer:
        assert kind not in IMPORTERS, f"{kind.__name__} has two importers"
        IMPORTERS[kind] = importer
        return importer

    return decorate
