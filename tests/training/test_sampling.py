"""Which candidates are trained at a step."""

import pytest

from autogc.supernet.candidate import Candidate
from autogc.training.sampling import CandidateSampling


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
