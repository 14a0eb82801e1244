"""Which candidates a supernet is trained as at a step: a function of the seed and the step, the same on every worker."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from autogc.config.experiment import Experiment
from autogc.cost import CostModel
from autogc.cost.formula import COSTS
from autogc.errors import InfeasibleError
from autogc.supernet.candidate import Candidate
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet
from autogc.training.randomness import derived_seed

# Called with a step: the candidates to train at it.
Sampling = Callable[[int], Sequence[Candidate]]
# The limits that training keeps to: a peak's may take a recording for each subnet.
COUNTED = tuple(name for name in COSTS if name != "peak_activation_bytes")
# From so many draws come those that the budget allows.
DRAWS = 20_000


class CandidateSampling:
    """``random``: one, each decision drawn uniformly (GAN Compression, section 3.2). ``sandwich``: the largest, the smallest and one at
    random (Yu and Huang, ICCV 2019, "universally slimmable networks").
    """

    def __init__(self, space: Space, sampling: str, *, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._always = (space.candidate(space.largest()), space.candidate(space.smallest())) if sampling == "sandwich" else ()

    def __call__(self, step: int) -> tuple[Candidate, ...]:
        drawn = self._space.sample(random.Random(derived_seed(self._seed, "candidate", step)))
        return (*self._always, self._space.candidate(drawn))


class BudgetSampling:
    """Candidates that meet the limits on their costs, and no others: what the search can't choose takes no training away.

    Each step trains the one with the most MACs that ``DRAWS`` uniform draws found within the limits, that with the fewest, and ``subnets``
    more: the logarithm of their MACs is drawn uniformly, and the nearest of sixteen draws taken, so that cheap subnets, of which a space
    has few, get their share. A sandwich, where the outer slices are those of the budget.
    """

    def __init__(self, costs: CostModel, limits: Mapping[str, float], *, subnets: int, seed: int) -> None:
        columns = costs.draw(DRAWS, derived_seed(seed, "budget"))
        cheapest = [costs.space.indices(costs.least_genotype(name)) for name in dict.fromkeys(("macs", *limits))]
        columns = np.concatenate([columns, *(row[None] for row in (*cheapest, costs.space.indices(costs.space.smallest())))])
        allowed = columns[costs.feasible(columns, limits)]
        if not len(allowed):
            raise InfeasibleError(f"supernet.sampling: none of {len(columns):,} candidates meets {dict(limits)}; raise the limits")
        macs = costs.costs_of(allowed, only=["macs"])["macs"]
        self._space, self._seed, self._subnets = costs.space, seed, subnets
        self._allowed, self._macs = allowed, np.log(np.maximum(macs, 1))
        self._always = tuple(self._candidate(int(index)) for index in dict.fromkeys((macs.argmax(), macs.argmin())))

    def __call__(self, step: int) -> tuple[Candidate, ...]:
        dice = random.Random(derived_seed(self._seed, "candidate", step))
        return (*self._always, *(self._candidate(self._near(dice)) for _ in range(self._subnets)))

    def _near(self, dice: random.Random) -> int:
        wanted = dice.uniform(float(self._macs.min()), float(self._macs.max()))
        drawn = [dice.randrange(len(self._macs)) for _ in range(16)]
        return min(drawn, key=lambda index: abs(float(self._macs[index]) - wanted))

    def _candidate(self, index: int) -> Candidate:
        return self._space.candidate(self._space.genotype(self._allowed[index]))


def sampling_of(experiment: Experiment, supernet: Supernet, space: Space) -> Sampling:
    """Return the sampling that ``supernet.sampling`` names. ``budget`` goes by the limits of ``search.constraints`` that are known without
    measuring. Raises InfeasibleError where nothing meets them."""
    config = experiment.supernet
    if config.sampling != "budget":
        return CandidateSampling(space, config.sampling, seed=experiment.seed)
    return BudgetSampling(CostModel(supernet, space), limits_of(experiment), subnets=config.subnets, seed=experiment.seed)


def limits_of(experiment: Experiment) -> dict[str, float]:
    """Return the limits on costs that decide which subnets are trained; none where the sampling does not ask for them."""
    if experiment.supernet.sampling != "budget":
        return {}
    return {name: limit for name, limit in experiment.search.constraints.items() if name in COUNTED}
