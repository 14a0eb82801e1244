"""Which candidates are trained at a step."""

import numpy as np
import pytest
import torch
from torch import nn

from autogc.config.experiment import DimensionConfig, SpaceConfig
from autogc.cost import CostModel
from autogc.errors import InfeasibleError
from autogc.supernet.candidate import Candidate
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet
from autogc.training.sampling import BudgetSampling, CandidateSampling
from autogc.training.watch.subnets import watched_subnets


class Three:
    """A space of one decision with three values, the first the largest."""

    def largest(self) -> dict[str, int]:
        return {"width": 3}

    def smallest(self) -> dict[str, int]:
        return {"width": 1}

    def sample(self, generator) -> dict[str, int]:
        return {"width": generator.choice((3, 2, 1))}

    def candidate(self, genotype: dict[str, int]) -> Candidate:
        return Candidate({"width": {"g": genotype["width"]}})


def test_random_draws_one_uniformly() -> None:
    sampling = CandidateSampling(Three(), "random", seed=0)
    drawn = [sampling(step) for step in range(300)]
    assert {len(one) for one in drawn} == {1}
    counts = [sum(one[0].get("width", "g") == width for one in drawn) for width in (1, 2, 3)]
    # 300 draws of three: 100 each, give or take five standard deviations (8.2).
    assert all(60 < count < 140 for count in counts)


def test_sandwich_has_both_ends_in_every_step() -> None:
    sampling = CandidateSampling(Three(), "sandwich", seed=0)
    drawn = [[candidate.get("width", "g") for candidate in sampling(step)] for step in range(50)]
    assert all(one[:2] == [3, 1] for one in drawn)
    assert {one[2] for one in drawn} == {1, 2, 3}


@pytest.mark.parametrize("kind", ["random", "sandwich"])
def test_a_step_has_the_same_candidates_whoever_asks_and_when(kind: str) -> None:
    first, second = (CandidateSampling(Three(), kind, seed=7) for _ in range(2))
    forwards = [first(step) for step in range(20)]
    assert [second(step) for step in reversed(range(20))] == forwards[::-1]


def test_another_seed_draws_others() -> None:
    drawn = [[CandidateSampling(Three(), "random", seed=seed)(step) for step in range(20)] for seed in (0, 1)]
    assert drawn[0] != drawn[1]


@pytest.fixture(scope="module")
def costs() -> CostModel:
    generator = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.PReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.PReLU(), nn.Conv2d(64, 3, 3, padding=1)
    )
    supernet = Supernet.convert(generator, torch.randn(1, 3, 8, 8))
    widths = DimensionConfig(choices={"*": (64, 48, 32, 24, 16, 8)})
    return CostModel(supernet, Space.build(SpaceConfig(dimensions={"width": widths}), supernet))


def test_a_budget_trains_only_what_it_allows_its_two_ends_in_every_step(costs: CostModel) -> None:
    columns = costs.draw(1000, 0)
    macs = costs.costs_of(columns, only=["macs"])["macs"]
    limit = float(np.sort(macs)[len(macs) // 2])
    sampling = BudgetSampling(costs, {"macs": limit}, subnets=2, seed=0)
    drawn = [[costs.costs(one)["macs"] for one in sampling(step)] for step in range(200)]
    assert all(len(one) == 4 and max(one) <= limit for one in drawn)
    assert {one[0] for one in drawn} == {macs[macs <= limit].max()} and {one[1] for one in drawn} == {macs.min()}
    assert [costs.costs(one)["macs"] for one in sampling(7)] == drawn[7]


def test_a_budget_gives_cheap_subnets_their_share(costs: CostModel) -> None:
    """A uniform draw has few in the lowest third of the logarithm of MACs; of these about a third lies there."""
    sampling = BudgetSampling(costs, {}, subnets=1, seed=0)
    found = np.log([costs.costs(sampling(step)[2])["macs"] for step in range(300)])
    low, high = (np.log(costs.costs(one)["macs"]) for one in (sampling(0)[1], sampling(0)[0]))
    share, uniform = (np.mean(macs < low + (high - low) / 3) for macs in (found, np.log(costs.costs_of(costs.draw(1000, 0))["macs"])))
    assert uniform < share and abs(share - 1 / 3) < 0.1


def test_a_budget_that_hardly_anything_meets_finds_it(costs: CostModel) -> None:
    """Of 216 subnets the one with the fewest parameters."""
    least = costs.least("params")
    sampling = BudgetSampling(costs, {"params": float(least)}, subnets=1, seed=0)
    assert all(costs.costs(one)["params"] == least for one in sampling(0))
    looked = watched_subnets(costs.space, costs, {"params": float(least)}, seed=0, budget=True)
    assert all(costs.costs(one.candidate)["params"] == least for one in looked)


def test_a_budget_that_nothing_meets_is_refused(costs: CostModel) -> None:
    with pytest.raises(InfeasibleError, match="raise the limits"):
        BudgetSampling(costs, {"macs": 10.0}, subnets=1, seed=0)
