"""Which subnets stand for all of them: the full one, the smallest, and three between, spread over what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from autogc.cost import CostModel
from autogc.supernet.candidate import Candidate
from autogc.supernet.space import Space
from autogc.training.randomness import derived_seed

FULL, LARGEST, SMALLEST, RANDOM = "full", "largest", "smallest", "random"
BETWEEN = 3
# Candidates that the three are chosen from.
POOL = 256


@dataclass(frozen=True)
class WatchedSubnet:
    """A candidate under the ``name`` that it is shown by, and its MACs for one image."""

    name: str
    candidate: Candidate
    macs: int


def watched_subnets(
    space: Space, costs: CostModel, constraints: Mapping[str, float], *, seed: int, budget: bool = False
) -> tuple[WatchedSubnet, ...]:
    """Return ``full`` (every decision at its most expensive value), ``random 1`` to ``3`` from the most expensive on, and ``smallest``.

    With a ``budget`` nothing above the constraints is trained: ``largest``, the most expensive that meets them, stands for ``full``.

    The random ones are drawn with ``seed`` among candidates that meet the ``constraints`` (those that are counted; latency is not known
    here; where none does, among all), and lie near a quarter, a half and three quarters of the way from the smallest cost to the largest,
    in the logarithm of MACs. A candidate that was there already is left out, so a small space gives fewer.
    """
    generator = np.random.default_rng(derived_seed(seed, "watch"))
    sizes = np.array([len(decision.values) for decision in space.decisions], dtype=np.int64)
    # One level of thrift for all decisions of a candidate, so that the pool reaches from one end of the costs to the other: of independent
    # uniform draws nearly all cost about the same.
    level = generator.random((POOL, 1))
    pool = np.unique(generator.binomial(sizes - 1, level, size=(POOL, len(sizes))), axis=0)
    pool = generator.permutation(pool)
    if budget:  # where hardly anything meets the limits, what is cheapest by each of them does
        names = [name for name in constraints if name not in costs.unknown and name != "peak_activation_bytes"]
        cheap = [space.indices(costs.least_genotype(name)) for name in dict.fromkeys(("macs", *names))]
        pool = np.concatenate([pool, [*cheap, sizes - 1]])
    usable = pool[_meeting(pool, costs, constraints)]
    usable = usable if len(usable) else pool
    chosen = _spread(usable, costs)
    top = (FULL, np.zeros_like(sizes))
    if budget:
        top = (LARGEST, usable[int(np.argmax(costs.costs_of(usable, only=("macs",))["macs"]))])
    named = [
        top,
        *((f"{RANDOM} {number}", row) for number, row in enumerate(chosen, start=1)),
        (SMALLEST, sizes - 1),
    ]
    found: dict[str, WatchedSubnet] = {}
    for name, row in (named[0], named[-1], *named[1:-1]):  # the ends keep their names where the space is too small for five
        candidate = space.candidate(space.genotype(row))
        found.setdefault(candidate.hash, WatchedSubnet(name, candidate, costs.costs(candidate, only=("macs",))["macs"]))
    order = [name for name, _ in named]
    return tuple(sorted(found.values(), key=lambda one: order.index(one.name)))


def _meeting(rows: np.ndarray, costs: CostModel, constraints: Mapping[str, float]) -> np.ndarray:
    known = {name: limit for name, limit in constraints.items() if name not in costs.unknown}
    if "peak_activation_bytes" in known and costs.peak.problem is not None:
        del known["peak_activation_bytes"]  # each would have to be run to be known
    return costs.feasible(rows, known)


def _spread(rows: np.ndarray, costs: CostModel) -> np.ndarray:
    """Return three of the rows, the most expensive first, evenly spaced in the logarithm of MACs."""
    macs = np.log(np.maximum(costs.costs_of(rows, only=("macs",))["macs"], 1))
    low, high = float(macs.min()), float(macs.max())
    targets = [high - (high - low) * (number + 1) / (BETWEEN + 1) for number in range(BETWEEN)]
    places = [int(np.argmin(np.abs(macs - target))) for target in targets]
    return rows[places]
