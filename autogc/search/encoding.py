"""Genotypes as Optuna sees them, and as rows of indices.

A decision whose values are numbers becomes an integer, the index into them: they are in order, so a sampler that models distances (GP,
TPE) sees which values are neighbours. Any other decision (operators, formats) becomes a category.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from autogc.files import sha256_json
from autogc.supernet.candidate import Value

if TYPE_CHECKING:
    from autogc.supernet import Space

Row = np.ndarray  # int64 (decisions,): for each decision the index of its value


class Encoding:
    """Translates between genotypes, rows of indices and the parameters of Optuna trials."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.sizes = np.array([len(decision.values) for decision in space.decisions])
        self.ordered = [
            all(isinstance(value, int | float) and not isinstance(value, bool) for value in decision.values) for decision in space.decisions
        ]
        self.distributions: dict[str, BaseDistribution] = {
            decision.name: IntDistribution(0, len(decision.values) - 1) if ordered else CategoricalDistribution(decision.values)
            for decision, ordered in zip(space.decisions, self.ordered, strict=True)
        }

    @property
    def signature(self) -> str:
        """A hash of the decisions and their values."""
        return sha256_json([[decision.name, list(decision.values)] for decision in self.space.decisions])

    def genotype(self, row: Row) -> dict[str, Value]:
        """Return the value of each decision."""
        return self.space.genotype(row)

    def row(self, genotype: Mapping[str, Value]) -> Row:
        """Return the index of each decision's value."""
        return np.asarray(self.space.indices(genotype), dtype=np.int64)

    def params(self, row: Row) -> dict[str, Any]:
        """Return the trial parameters that mean ``row``."""
        return {
            decision.name: int(index) if ordered else decision.values[int(index)]
            for decision, ordered, index in zip(self.space.decisions, self.ordered, row, strict=True)
        }

    def row_of_params(self, params: Mapping[str, Any]) -> Row | None:
        """Return the row that trial parameters mean; None when the trial died before all of them were drawn."""
        if any(decision.name not in params for decision in self.space.decisions):
            return None
        indices = [
            params[decision.name] if ordered else decision.values.index(params[decision.name])
            for decision, ordered in zip(self.space.decisions, self.ordered, strict=True)
        ]
        return np.array(indices, dtype=np.int64)

    def neighbours(self, row: Row, *, adjacent: bool = False) -> np.ndarray:
        """Return the rows that differ from ``row`` in one decision, int64 (N, decisions); by one index only, when ``adjacent``."""
        found = []
        for decision, size in enumerate(self.sizes):
            for index in range(int(size)):
                distance = abs(index - int(row[decision]))
                if distance == 1 or (distance and not adjacent):
                    found.append((decision, index))
        rows = np.repeat(row[None], len(found), axis=0)
        for position, (decision, index) in enumerate(found):
            rows[position, decision] = index
        return rows
