"""Depth: a unit that maps a tensor to one of the same shape stays, or is left out (once-for-all's elastic depth, Cai et al., ICLR 2020)."""

from __future__ import annotations

from typing import Any

from autogc.compression.dimension import UnitDimension


class Depth(UnitDimension):
    """Value: ``keep`` or ``skip``. A skipped unit gives back what it is given, costs nothing and is not stored."""

    name = "depth"
    slot = "depth"
    target = "unit"
    neutral = "keep"

    def problem(self, value: object) -> str | None:
        if value in ("keep", "skip"):
            return None
        return f"{value!r} does not say whether a unit stays; keep or skip works"

    def describe(self, value: Any) -> str:
        return "left out" if value == "skip" else "stays"

    def skips(self, value: Any) -> bool:
        return bool(value == "skip")
