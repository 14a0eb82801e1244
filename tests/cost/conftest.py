"""A small generator's supernet and a space with every dimension in it."""

from __future__ import annotations

import pytest
import torch

from autogc.config.experiment import SpaceConfig
from autogc.models import GENERATORS
from autogc.supernet import Space, Supernet

STAGES = {"stem": ("stem.*", "down*"), "blocks": ("blocks.*",), "tail": ("*",)}
DIMENSIONS = {
    "width": {"choices": {"*": (0.5, 0.75, 1.0)}, "tie": (("blocks.*",),)},
    "operator": {"choices": {"blocks": ("dense", "separable"), "stem": ("dense", "separable")}},
    "filter_pruning": {"choices": {"*": (0, 0.25)}},
    "element_pruning": {"choices": {"*": (0, 0.25, 0.5)}},
    "weight_bits": {"choices": {"*": (32, 8, 4)}},
    "codebook": {"choices": {"*": ("none", 256, 16)}},
    "activation_bits": {"choices": {"tail": (32, 8)}},
}


def build_supernet(norm: str) -> Supernet:
    torch.manual_seed(0)
    generator = GENERATORS.build("resnet", {"base_channels": 16, "blocks": 2, "norm": norm}, in_channels=4, out_channels=3)
    return Supernet.convert(generator, torch.zeros(1, 4, 16, 24), decompose=("blocks.*", "down2.conv"), verify=False)


@pytest.fixture(scope="session", params=["instance", "batch"])
def supernet(request: pytest.FixtureRequest) -> Supernet:
    return build_supernet(request.param)


@pytest.fixture(scope="session")
def space(supernet: Supernet) -> Space:
    return Space.build(SpaceConfig.model_validate({"stages": STAGES, "dimensions": DIMENSIONS}), supernet)
