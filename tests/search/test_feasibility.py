from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pytest
from simulation import limit_at

from autogc.cost import CostModel
from autogc.errors import InfeasibleError
from autogc.search.encoding import Encoding
from autogc.search.feasibility import FeasibleRegion, check_feasible
from autogc.supernet import Space


def region(space: Space, costs: CostModel, **constraints: float) -> FeasibleRegion:
    return FeasibleRegion(Encoding(space), costs, constraints, np.random.default_rng(0))


def test_parameters_and_rows_say_the_same(space: Space) -> None:
    encoding = Encoding(space)
    for row in np.random.default_rng(0).integers(0, encoding.sizes, size=(20, len(encoding.sizes))):
        params = encoding.params(row)
        assert (encoding.row_of_params(params) == row).all()
        assert (encoding.row(encoding.genotype(row)) == row).all()
        params.popitem()
        assert encoding.row_of_params(params) is None


def test_numbers_are_in_order_and_formats_are_not(space: Space) -> None:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    kinds = {name.split("/")[0]: type(distribution) for name, distribution in Encoding(space).distributions.items()}
    assert (
        kinds["width"] is IntDistribution
        and kinds["operator"] is CategoricalDistribution
        and kinds["weight_format"] is CategoricalDistribution
    )


def test_a_limit_below_the_least_is_refused_with_the_least(costs: CostModel) -> None:
    least = costs.least("macs")
    check_feasible(costs, {"macs": least})
    with pytest.raises(InfeasibleError, match=f"macs at most {least - 1:,} can't be met: the least that this space reaches is {least:,}"):
        check_feasible(costs, {"macs": least - 1, "params": 10**9})
    with pytest.raises(InfeasibleError, match="latency_ms at most 0"):
        check_feasible(costs, {"latency_ms": 0})


class Opposed:
    """Two costs of which one falls where the other rises."""

    unknown = ("latency_ms",)

    def __init__(self, space: Space) -> None:
        self.space = space
        self._encoding = Encoding(space)

    def costs_of(self, rows: np.ndarray, *, only: Collection[str] = ()) -> dict[str, np.ndarray]:
        return {"macs": 100 + rows.sum(axis=1), "params": 100 - rows.sum(axis=1)}

    def least_genotype(self, cost: str) -> dict[str, object]:
        return dict(self.space.largest() if cost == "macs" else self.space.smallest())

    def least(self, cost: str) -> int:
        return int(self.costs_of(self._encoding.row(self.least_genotype(cost))[None])[cost][0])  # type: ignore[arg-type]


def test_limits_that_only_exclude_each_other_are_refused(space: Space, small_space: Space) -> None:
    for one in (small_space, space):
        costs: Any = Opposed(one)
        check_feasible(costs, {"macs": 101, "params": 100})
        with pytest.raises(InfeasibleError, match="macs at most 101, params at most 98 at once, though each can be met alone"):
            check_feasible(costs, {"macs": 101, "params": 98})


@pytest.mark.parametrize("share", [0.5, 0.01, 1e-4])
def test_repair_gives_feasible_neighbours(space: Space, costs: CostModel, share: float) -> None:
    limits = {"macs": limit_at(costs, "macs", share), "storage_bytes": limit_at(costs, "storage_bytes", 0.5)}
    feasible = region(space, costs, **limits)
    for row in feasible.draw(20):
        repaired = feasible.repaired(row)
        assert repaired is not None and feasible.excess(repaired[None])[0] == 0
        if feasible.excess(row[None])[0] == 0:
            assert (repaired == row).all()


def test_the_largest_feasible_candidate_is_at_the_limit(space: Space, costs: CostModel) -> None:
    assert (region(space, costs).largest() == 0).all()
    limit = limit_at(costs, "macs", 0.3)
    feasible = region(space, costs, macs=limit)
    row = feasible.largest()
    assert feasible.costs_of(row)["macs"] <= limit
    cheaper_index = [neighbour for neighbour in feasible.encoding.neighbours(row, adjacent=True) if (neighbour <= row).all()]
    assert all(feasible.excess(neighbour[None])[0] > 0 for neighbour in cheaper_index)
    # Cut back alike: no decision alone pays for the limit.
    assert np.count_nonzero(row) > 2


def test_the_smallest_candidate(space: Space, costs: CostModel) -> None:
    assert (region(space, costs).smallest() == Encoding(space).sizes - 1).all()
    least = costs.least("storage_bytes")
    tight = region(space, costs, storage_bytes=least)
    assert tight.costs_of(tight.smallest())["storage_bytes"] == least


def test_unseen_finds_every_candidate_of_a_small_space_and_then_none(small_space: Space, small_costs: CostModel) -> None:
    feasible = region(small_space, small_costs, storage_bytes=limit_at(small_costs, "storage_bytes", 0.6))
    whole = feasible.everything()
    assert whole is not None and 1 < len(whole) < small_space.size
    seen: set[bytes] = set()
    while (row := feasible.unseen(lambda row: row.tobytes() in seen, near=None, known=whole[:0])) is not None:
        assert row.tobytes() not in seen
        seen.add(row.astype(np.int64).tobytes())
    assert seen == {row.astype(np.int64).tobytes() for row in whole}
