"""Which candidates a supernet is trained as at a step: a function of the seed and the step, the same on every worker."""

from __future__ import annotations

import random
from typing import Literal

from autogc.supernet.candidate import Candidate
from autogc.supernet.space import Space
from autogc.training.randomness import derived_seed

Sampling = Literal["random", "sandwich"]


class CandidateSampling:
    """Called with a step, the candidates to train at it.

    ``random``: one, each decision drawn uniformly (GAN Compression, section 3.2). ``sandwich``: the largest, the smallest and one at random
    (Yu and Huang, ICCV 2019, "universally slimmable networks").
    """

    def __init__(self, space: Space, sampling: Sampling, *, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._always = (space.candidate(space.largest()), space.candidate(space.smallest())) if sampling == "sandwich" else ()

    def __call__(self, step: int) -> tuple[Candidate, ...]:
        drawn = self._space.sample(random.Random(derived_seed(self._seed, "candidate", step)))
        return (*self._always, self._space.candidate(drawn))
