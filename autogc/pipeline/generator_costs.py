"""What a generator costs that is no subnet of the run's supernet: a teacher of another kind."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import nn

from autogc.config.experiment import SpaceConfig
from autogc.cost import CostModel
from autogc.data import Dataset
from autogc.supernet.candidate import Candidate
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet
from autogc.training.stage import example_input


def generator_costs(generator: nn.Module, data: Dataset) -> Mapping[str, int]:
    """Return the costs of a generator as it is, counted at the dataset's input as those of subnets are.

    Raises ConversionError where it can't be traced.
    """
    supernet = Supernet.convert(copy.deepcopy(generator).cpu(), example_input(data), verify=False)
    return CostModel(supernet, Space.build(SpaceConfig(), supernet)).costs(Candidate({}))
