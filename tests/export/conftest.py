"""A small generator's supernet, a space with every dimension in it, and a package."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from autogc.config.experiment import SpaceConfig
from autogc.config.generator import GeneratorConfig
from autogc.cost import CostModel
from autogc.export import Package, load_package, write_package
from autogc.models import GENERATORS
from autogc.supernet import Candidate, Space, Supernet

CHANNELS = {"in_channels": 4, "out_channels": 3}
STAGES = {"stem": ("stem.*", "down*"), "blocks": ("blocks.*",), "tail": ("*",)}
DIMENSIONS = {
    "width": {"choices": {"*": (0.5, 0.75, 1.0)}, "tie": (("blocks.*",),)},
    "operator": {"choices": {"blocks": ("dense", "separable"), "stem": ("dense", "separable")}},
    "filter_pruning": {"choices": {"*": (0, 0.25)}},
    "element_pruning": {"choices": {"*": (0, 0.3, 0.5)}},
    "weight_bits": {"choices": {"*": (32, 8, 5)}},
    "codebook": {"choices": {"*": ("none", 100, 16)}},
    "activation_bits": {"choices": {"*": (32, 8)}},
}
EXAMPLE = torch.rand(2, 4, 16, 24, generator=torch.Generator().manual_seed(1)) * 2 - 1


def component(norm: str) -> GeneratorConfig:
    return GeneratorConfig(name="resnet", args={"base_channels": 16, "blocks": 2, "norm": norm, **CHANNELS})


@pytest.fixture(scope="session", params=["instance", "batch"])
def norm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def supernet(norm: str) -> Supernet:
    torch.manual_seed(0)
    generator = GENERATORS.build("resnet", component(norm).args)
    with torch.no_grad():
        # Statistics and biases that are not those of a new network: an export that lost them would show.
        for _ in range(3):
            generator(EXAMPLE)
        for parameter in generator.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return Supernet.convert(generator, EXAMPLE[:1], decompose=("blocks.*", "down2.conv"), verify=False)


@pytest.fixture(scope="session")
def space(supernet: Supernet) -> Space:
    return Space.build(SpaceConfig.model_validate({"stages": STAGES, "dimensions": DIMENSIONS}), supernet)


def export(
    supernet: Supernet, norm: str, candidate: Candidate, directory: Path, statistics: Mapping[str, torch.Tensor] | None = None
) -> Package:
    return write_package(
        directory,
        supernet=supernet,
        candidate=candidate,
        generator=component(norm),
        input_shape=(1, 4, 16, 24),
        costs=CostModel(supernet).costs(candidate),
        scores={"fid": 12.5, "miou": 0.25},
        experiment={"name": "a test"},
        provenance={"network": "none, a test"},
        statistics=statistics,
    )


@pytest.fixture
def exported(supernet: Supernet, norm: str, tmp_path: Path) -> Callable[..., Package]:
    """Exports a candidate, with ``statistics`` where they are given."""
    return lambda candidate, **given: export(supernet, norm, candidate, tmp_path / "exported", **given)


@pytest.fixture(scope="session")
def written(supernet: Supernet, space: Space, norm: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    candidate = space.candidate(space.sample(random.Random(5)))
    return export(supernet, norm, candidate, tmp_path_factory.mktemp(norm) / "package").directory


@pytest.fixture
def package(written: Path, tmp_path: Path) -> Package:
    """A package of the test's own, to damage."""
    return load_package(shutil.copytree(written, tmp_path / "package"))
