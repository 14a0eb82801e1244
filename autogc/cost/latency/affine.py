"""Integers of a network that follow its channels: found from a few observations, exact or refused."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from autogc.supernet.groups import AxisLength

# Observations: two more than three groups have unknowns, so that a chance fit is out of the question.
PROBES = 6
MOST_GROUPS = 3


def fitted(values: Sequence[int], kept: np.ndarray, groups: Sequence[str]) -> AxisLength | None:
    """Return the length ``fixed + sum(slope * kept[group])`` that gives ``values`` (P,) at the kept channels (P, G), all of it integers.

    Of few groups where so few explain it; of all of them where there are more observations than groups; else None.
    """
    observed = np.asarray(values, dtype=np.float64)
    sizes = [size for size in range(min(MOST_GROUPS, len(groups)) + 1) if size + 2 <= len(observed)]
    if len(observed) > len(groups) + 1:
        sizes.append(len(groups))
    for size in sizes:
        for chosen in combinations(range(len(groups)), size):
            unknowns = np.column_stack([np.ones(len(observed)), *(kept[:, index] for index in chosen)])
            solution = np.linalg.lstsq(unknowns, observed, rcond=None)[0]
            rounded = np.rint(solution)
            if np.array_equal(unknowns @ rounded, observed):
                parts = tuple((groups[index], int(slope)) for index, slope in zip(chosen, rounded[1:], strict=True) if slope)
                return AxisLength(int(rounded[0]), parts)
    return None
