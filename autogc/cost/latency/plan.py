"""Which candidates to measure, so that every layer that a space can have is run in some of them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from autogc.cost.latency.features import LARGEST_TABLE, Owners
from autogc.cost.latency.table import LatencyTable

# Random completions of a candidate that has one missing layer, of which the one with the most of them is taken.
TRIES = 24


class Coverage:
    """What of a space's calls is not measured yet, and candidates that have much of it."""

    def __init__(self, owners: Owners, table: LatencyTable) -> None:
        self._owners = owners
        self._sizes = np.array(owners.controls.sizes)
        self._number: dict[tuple[str, tuple[int, ...]], int] = {}
        # For each owner: its decisions, and for each of its calls the call's number at every combination (-1: not made there).
        self._made: list[tuple[tuple[int, ...], list[np.ndarray]]] = []
        for owner in owners.names:
            if owners.combinations(owner) <= LARGEST_TABLE:
                self._made.append((owners.deciding(owner), self._calls(owner)))
        self.missing = np.array([not table.has(*call) for call in self._number], dtype=bool)

    def _calls(self, owner: str) -> list[np.ndarray]:
        everything = self._owners.everything(owner)
        found = []
        for here, call, different, which in self._owners.calls(owner, everything):
            calls = [(call.template, tuple(map(int, numbers))) for numbers in different]
            numbers = np.array([self._number.setdefault(one, len(self._number)) for one in calls])
            made = np.full(everything.shape[1], -1)
            made[here] = numbers[which]
            found.append(made)
        return found

    @property
    def total(self) -> int:
        """How many different calls the space has."""
        return len(self._number)

    def measured(self, row: np.ndarray) -> None:
        """Note that the candidate of this row (decisions,) was measured."""
        self.missing[self._of(row)] = False

    def next(self, generator: np.random.Generator, taken: Collection[tuple[int, ...]]) -> np.ndarray | None:
        """Return a row (decisions,) that is not ``taken`` and has many of the missing calls; None where none has any."""
        wanted = np.flatnonzero(self.missing)
        for call in generator.permutation(wanted)[:TRIES]:
            places = [(decisions, hits) for decisions, made in self._made for one in made if len(hits := np.flatnonzero(one == call))]
            rows = generator.integers(0, self._sizes, size=(TRIES, len(self._sizes)))
            for row in rows:
                decisions, hits = places[int(generator.integers(len(places)))]
                shape = [int(self._sizes[decision]) for decision in decisions]
                row[list(decisions)] = np.unravel_index(int(generator.choice(hits)), shape)
            free = [row for row in rows if tuple(map(int, row)) not in taken]
            if free:
                return max(free, key=lambda row: int(self.missing[self._of(row)].sum()))
        return None

    def _of(self, row: np.ndarray) -> np.ndarray:
        """Return the numbers of the calls that a row's candidate makes."""
        found = []
        for decisions, made in self._made:
            shape = [int(self._sizes[decision]) for decision in decisions]
            place = int(np.ravel_multi_index([int(row[decision]) for decision in decisions], shape)) if decisions else 0
            found += [int(one[place]) for one in made]
        return np.unique([number for number in found if number >= 0])
