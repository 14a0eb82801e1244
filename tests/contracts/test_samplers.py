"""What every sampler promises, over the whole registry.

A new sampler is a row of ``ARGS``; one that can't serve several objectives, or needs a package that is no dependency, is in ``REFUSED``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from landscapes import Landscape, chain, small, told

from autogc.config.experiment import SearchConfig
from autogc.errors import ConfigError
from autogc.search import SAMPLERS, Evaluation
from autogc.search.study import SearchStudy

# By name the arguments of a small test; what it can be relied on to beat chance by, in hypervolume, as a share (None: it is chance).
ARGS: dict[str, tuple[dict[str, Any], float | None]] = {
    "auto": ({}, 1.1),
    "gp": ({"n_startup_trials": 6}, 1.1),
    "tpe": ({"n_startup_trials": 6}, 1.0),
    "nsga2": ({"population_size": 8}, 1.0),
    "nsga3": ({"population_size": 8}, 1.0),
    "random": ({}, None),
    "TPESampler": ({"n_startup_trials": 6}, 1.0),
    "GPSampler": ({"n_startup_trials": 11}, 1.0),
    "NSGAIISampler": ({"population_size": 8}, 1.0),
    "NSGAIIISampler": ({"population_size": 8}, 1.0),
    "RandomSampler": ({}, None),
    "QMCSampler": ({}, None),
}
REFUSED = ("CmaEsSampler",)


class Search:
    """A study in this process, its evaluations made at once; every third fails where that is asked for."""

    def __init__(self, landscape: Landscape, sampler: str, *, evaluations: int, seed: int = 0, share: float = 0.7) -> None:
        costs = landscape.costs
        sizes = [len(one.values) for one in costs.space.decisions]
        drawn = costs.costs_of(np.random.default_rng(0).integers(0, sizes, size=(2000, len(sizes))))
        self.limit = float(np.quantile(drawn[landscape.cost], share))
        self.landscape = landscape
        self.config = SearchConfig.model_validate(
            {
                "sampler": {"name": sampler, "args": ARGS.get(sampler, ({}, None))[0]},
                "objectives": (landscape.score, landscape.cost),
                "constraints": {landscape.cost: self.limit},
                "evaluations": evaluations,
            }
        )
        self.seed = seed
        self.evaluations: list[Evaluation] = []
        self.open()

    def open(self) -> None:
        space: Any = self.landscape.costs.space
        costs: Any = self.landscape.costs
        self.study = SearchStudy(
            name="contract", config=self.config, space=space, costs=costs, seed=self.seed, evaluations=self.evaluations
        )

    def run(self, *, workers: int = 1, most: int | None = None, fail: bool = False) -> list[Evaluation]:
        noise = np.random.default_rng(self.seed)
        under_way = []
        while True:
            while len(under_way) < workers and len(self.evaluations) + len(under_way) < (most or 10**9):
                if (proposal := self.study.ask()) is None:
                    break
                under_way.append(proposal)
            if not under_way:
                return self.evaluations
            proposal = under_way.pop(0)
            value = self.landscape.evaluate(self.landscape.costs.space.indices(proposal.genotype), noise)
            failed = fail and proposal.trial % 3 == 2
            evaluation = told(proposal, None if failed else {self.landscape.score: value}, state="failed" if failed else "complete")
            self.evaluations.append(evaluation)
            self.study.tell(evaluation)

    def rows(self) -> np.ndarray:
        return np.array([self.landscape.costs.space.indices(one.genotype) for one in self.evaluations])


def test_every_sampler_is_here() -> None:
    assert {*ARGS, *REFUSED} == set(SAMPLERS)


@pytest.mark.parametrize("sampler", REFUSED)
def test_one_that_cannot_serve_is_refused(sampler: str) -> None:
    with pytest.raises(ConfigError, match=f"{sampler!r} can't be used for this search"):
        Search(chain(), sampler, evaluations=4)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("sampler", ARGS)
def test_only_feasible_and_new_candidates_are_evaluated(sampler: str, workers: int) -> None:
    search = Search(chain(), sampler, evaluations=14, share=0.2)
    hashes = [one.candidate.hash for one in search.run(workers=workers)]
    assert len(hashes) == len(set(hashes)) == 14
    assert all(one.costs["macs"] <= search.limit for one in search.evaluations)


@pytest.mark.parametrize("sampler", ARGS)
def test_failures_do_not_stop_it(sampler: str) -> None:
    search = Search(chain(), sampler, evaluations=15)
    states = [one.state for one in search.run(fail=True)]
    assert len(states) == 15 and {"complete", "failed"} == set(states)


@pytest.mark.parametrize("sampler", ARGS)
def test_it_goes_on_from_what_was_evaluated(sampler: str) -> None:
    search = Search(chain(), sampler, evaluations=16)
    search.run(most=9)
    search.open()
    hashes = [one.candidate.hash for one in search.run()]
    assert len(hashes) == len(set(hashes)) == 16


@pytest.mark.parametrize("sampler", ARGS)
def test_one_after_the_other_is_reproducible_from_the_seed(sampler: str) -> None:
    first, again, other = ([one.candidate.hash for one in Search(chain(), sampler, evaluations=12, seed=seed).run()] for seed in (0, 0, 1))
    assert first == again
    assert first != other or sampler == "QMCSampler", "a sequence that is not scrambled has no seed"


@pytest.mark.parametrize("sampler", ARGS)
def test_a_small_space_is_evaluated_whole(sampler: str) -> None:
    search = Search(small(), sampler, evaluations=100, share=1.0)
    search.run()
    assert search.study.exhausted and len(search.evaluations) == search.landscape.costs.space.size


BETTER = [name for name, (_, factor) in ARGS.items() if factor is not None]


@pytest.mark.parametrize("sampler", [pytest.param(name, marks=[pytest.mark.slow] * (name == "GPSampler")) for name in BETTER])
def test_it_beats_chance_on_a_known_front(sampler: str) -> None:
    landscape = chain()

    def reached(name: str) -> float:
        found = []
        for seed in range(3):
            search = Search(landscape, name, evaluations=40, seed=seed, share=1.0)
            search.run()
            found.append(landscape.reached(search.rows()))
        return float(np.mean(found))

    factor = ARGS[sampler][1]
    assert factor is not None and reached(sampler) > factor * reached("random")
