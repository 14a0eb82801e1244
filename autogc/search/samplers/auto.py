"""The sampler for who names none."""

from __future__ import annotations

from autogc.search.samplers.base import SAMPLERS, Strategy
from autogc.search.samplers.gp import gp


@SAMPLERS.register("auto")
def auto() -> Strategy:
    """``gp`` as it comes: on every space that was measured no other sampler does better at any number of evaluations."""
    return gp()
