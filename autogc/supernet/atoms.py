"""Atoms: each index of each tensor axis, in a union-find of numpy arrays."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

FIXED = 0
"""The atom of everything that can't shrink by its nature: inputs, outputs, batch and spatial axes."""

_REASONS = 1024  # ids below are fixed atoms: FIXED itself and one for each reason


class Atoms:
    """Union-find over integer atoms, with one fixed atom for each reason why something can't shrink.

    Fixed atoms have the smallest ids and the smallest id of a class is its root, so a class is fixed exactly when its
    root is. Two fixed classes are never united: the first reason given is the one that is kept.
    """

    def __init__(self) -> None:
        self._parent: Ids = np.arange(1 << 16, dtype=np.int64)
        self._count = _REASONS
        self._reasons: dict[str, int] = {}
        self._starts: list[int] = []
        self._owners: list[tuple[str, int]] = []

    def allocate(self, size: int, owner: tuple[str, int] | None = None) -> Ids:
        """Return ``size`` new atoms. ``owner`` is the (tensor name, axis) that they stand for."""
        start, stop = self._count, self._count + size
        if stop > len(self._parent):
            self._parent = np.concatenate([self._parent, np.arange(len(self._parent), max(stop, 2 * len(self._parent)))])
        self._count = stop
        if owner is not None and size:
            self._starts += [start, stop]
            self._owners += [owner, ("", -1)]
        return np.arange(start, stop, dtype=np.int64)

    def owner(self, atom: int) -> tuple[str, int] | None:
        """Return the (tensor name, axis) that this very atom was allocated for."""
        place = bisect_right(self._starts, atom) - 1
        if place < 0 or self._owners[place][1] < 0:
            return None
        return self._owners[place]

    def reason(self, text: str) -> int:
        """Return the fixed atom that stands for ``text``; past a thousand reasons, the last one is shared."""
        return self._reasons.setdefault(text, min(len(self._reasons) + 1, _REASONS - 1))

    def reason_of(self, root: int) -> str | None:
        """Return why a fixed root is fixed; None for FIXED and for what is not fixed."""
        return next((text for text, atom in self._reasons.items() if atom == root), None)

    def find(self, ids: Ids) -> Ids:
        """Return the root of each atom."""
        roots = self._parent[ids]
        while True:
            above = self._parent[roots]
            if np.array_equal(above, roots):
                break
            roots = above
        self._parent[ids] = roots
        return roots

    def is_fixed(self, ids: Ids) -> NDArray[np.bool_]:
        """Tell for each atom whether it can't shrink."""
        return self.find(ids) < _REASONS

    def unite(self, first: Ids, second: Ids | int) -> None:
        """Unite atoms element by element (numpy broadcasting)."""
        a, b = np.broadcast_arrays(np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64))
        a, b = a.ravel(), b.ravel()
        while a.size:
            a, b = self.find(a), self.find(b)
            low, high = np.minimum(a, b), np.maximum(a, b)
            apart = (low != high) & (high >= _REASONS)
            a, b = low[apart], high[apart]
            np.minimum.at(self._parent, b, a)

    def freeze(self, ids: Ids, reason: str | None = None) -> None:
        """Make atoms fixed, for a reason worth telling or by their nature."""
        self.unite(ids, FIXED if reason is None else self.reason(reason))
