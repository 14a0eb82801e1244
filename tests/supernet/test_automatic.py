"""A space for a file that says none."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
import torch

from autogc.config.experiment import SpaceConfig
from autogc.models import GENERATORS
from autogc.supernet import Space, Supernet
from autogc.supernet.automatic import MOST_STAGES, automatic_stages

BLOCKS = [f"blocks.{index}.conv{place}" for index in range(9) for place in (1, 2)]
RESNET = ["stem.conv", "down1.conv", "down2.conv", *BLOCKS, "up1.conv", "up2.conv", "head.conv"]
WANTED = ["stem", "down1", "down2", "blocks.0-2", "blocks.3-5", "blocks.6-8", "up1", "up2", "head"]


@pytest.mark.parametrize(
    ("layers", "stages"),
    [
        (RESNET, WANTED),
        ([f"model.{name}" for name in RESNET], [f"model.{name}" for name in WANTED]),
        (["conv"], ["conv"]),
        (["net.0", "net.2", "net.4"], ["net.0", "net.2", "net.4"]),
        ([f"conv{index}" for index in range(16)], [f"conv{index}..conv{index + 1}" for index in range(0, 16, 2)]),
        (
            [f"{way}.{index}.conv" for way in ("downs", "ups") for index in range(8)],
            [*(f"downs.{index}" for index in range(8)), "ups.0-1", "ups.2-3", "ups.4-5", "ups.6-7"],
        ),
        (["a", "a.inner", "b"], ["a", "a.inner", "b"]),
    ],
)
def test_stages_are_the_parts(layers: list[str], stages: list[str]) -> None:
    assert list(automatic_stages(layers)) == stages


@pytest.mark.parametrize("count", [1, 2, 11, 12, 13, 17, 29, 64])
def test_there_are_never_too_many_and_every_layer_has_one(count: int) -> None:
    layers = [f"net.{index}.conv" for index in range(count)]
    made = automatic_stages(layers)
    assert min(count, 6) <= len(made) <= MOST_STAGES
    assert all(sum(fnmatchcase(layer, pattern) for patterns in made.values() for pattern in patterns) == 1 for layer in layers)


def test_what_a_file_does_not_say_is_made() -> None:
    torch.manual_seed(0)
    generator = GENERATORS.build("resnet", {"base_channels": 16, "blocks": 1}, in_channels=3, out_channels=3)
    supernet = Supernet.convert(generator, torch.zeros(1, 3, 16, 16), decompose=("blocks.*",), verify=False)
    space = Space.build(SpaceConfig(), supernet)
    decisions = {decision.name: decision.values for decision in space.decisions}
    assert decisions["width/down2.conv"] == (64, 48, 32, 16)
    assert decisions["operator/blocks"] == ("dense", "separable") and "operator/stem" not in decisions
    assert decisions["weight_bits/head"] == (32, 16, 8, 6, 4) and decisions["element_pruning/stem"] == (0.0, 0.3, 0.5)
    own = SpaceConfig.model_validate({"dimensions": {"weight_bits": {"choices": {"blocks": [32, 8]}}}})
    assert [decision.name for decision in Space.build(own, supernet).decisions] == ["weight_bits/blocks"]
