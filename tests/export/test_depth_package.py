"""Packages of subnets without some of their units."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from autogc.compression import compress
from autogc.config.experiment import SpaceConfig
from autogc.config.generator import GeneratorConfig
from autogc.cost import CostModel
from autogc.export import load_package, verify_package, write_like, write_package
from autogc.files import read_json
from autogc.models import GENERATORS
from autogc.supernet import Candidate, Space, Supernet

RESNET = GeneratorConfig(name="resnet", args={"base_channels": 16, "blocks": 3, "norm": "batch", "in_channels": 3, "out_channels": 3})
SPADE = GeneratorConfig(name="spade", args={"base_channels": 4, "hidden_channels": 8, "in_channels": 5, "out_channels": 3})
DIMENSIONS = {
    "depth": {"choices": {"*": (1.0, 2, 1, 0)}},
    "width": {"choices": {"*": (0.5, 1.0)}},
    "weight_bits": {"choices": {"*": (32, 8)}},
    "activation_bits": {"choices": {"*": (32, 8)}},
}


def packaged(
    generator: GeneratorConfig, skip: tuple[str, ...], example: torch.Tensor, directory: Path, choose: Callable[[Supernet], Candidate]
) -> tuple[Supernet, Candidate]:
    torch.manual_seed(0)
    supernet = Supernet.convert(GENERATORS.build(str(generator.name), generator.args), example[:1], skip=skip, verify=False).eval()
    candidate = choose(supernet)
    write_package(
        directory,
        supernet=supernet,
        candidate=candidate,
        generator=generator,
        input_shape=tuple(example[:1].shape),
        costs=CostModel(supernet).costs(candidate),
        scores={},
        experiment={},
        provenance={},
    )
    return supernet, candidate


@pytest.mark.parametrize("seed", range(3))
def test_a_package_is_the_subnet_without_its_units(tmp_path: Path, seed: int) -> None:
    def choose(supernet: Supernet) -> Candidate:
        space = Space.build(SpaceConfig.model_validate({"stages": {"all": ("*",)}, "dimensions": DIMENSIONS}), supernet)
        depth = next(decision.values[seed + 1] for decision in space.decisions if decision.name == "depth/all")
        return space.candidate({**space.sample(random.Random(seed)), "depth/all": depth})

    example = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    supernet, candidate = packaged(RESNET, ("blocks.*",), example, tmp_path / "package", choose)
    report = verify_package(tmp_path / "package", example, supernet=supernet)
    assert report["largest_difference"] <= 1e-5
    package = load_package(tmp_path / "package")
    left_out = [unit.name for unit in supernet.skipped(candidate)]
    assert len(left_out) == seed + 1
    for name in left_out:
        assert type(package.module.get_submodule(name)) is nn.Identity
        assert read_json(tmp_path / "package" / "architecture.json")["modules"][name] == {"type": "Identity", "args": {}}
    assert not any(tensor.startswith(f"{name}.") for tensor in package.values for name in left_out)
    again = write_like(package, package.module, tmp_path / "successor", scores={}, provenance={})
    with torch.no_grad():
        assert torch.equal(load_package(tmp_path / "successor").module(example), package.module(example))
    assert all(
        torch.equal(compress(again.module.get_parameter(name), values), again.module.get_parameter(name))
        for name, values in again.values.items()
    )


def test_a_block_of_two_inputs_is_left_out_of_a_package(tmp_path: Path) -> None:
    example = torch.rand(1, 5, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    candidate = Candidate({"depth": {"middle1": "skip"}})
    supernet, _ = packaged(SPADE, ("middle*",), example, tmp_path / "package", lambda supernet: candidate)
    verify_package(tmp_path / "package", example, supernet=supernet)
    assert read_json(tmp_path / "package" / "architecture.json")["modules"]["middle1"] == {"type": "FirstInput", "args": {}}
