"""Fresh weights for an exported subnet: no trained value stays, whatever kind of module holds it."""

from pathlib import Path

import pytest
import torch
from torch import nn

from autogc.config.generator import GeneratorConfig
from autogc.config.source import locate
from autogc.cost import CostModel
from autogc.errors import CheckpointError
from autogc.export import Package, draw_fresh, load_package, write_package
from autogc.export.tensors import named_tensors
from autogc.models import build_completed, completed
from autogc.supernet import Supernet
from autogc.supernet.candidate import Candidate

SOURCE = """
import torch
from torch import nn


class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, channels).view(-1, 1, 1))

    def forward(self, x):
        return x * torch.sigmoid(self.scale * x)


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.gate = Gate(16)
        self.last = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, x):
        return self.last(self.gate(self.norm(self.first(x)))).tanh()
"""
TRAINED = 7.0


def packaged(directory: Path, generator: GeneratorConfig, choices: dict[str, dict[str, object]]) -> Package:
    """A package in which every number is ``TRAINED``."""
    supernet = Supernet.convert(build_completed(generator), torch.zeros(1, 3, 16, 16))
    for tensor in named_tensors(supernet.module).values():
        tensor.fill_(TRAINED)
    candidate = Candidate(choices)
    costs = CostModel(supernet).costs(candidate)
    given = {"input_shape": (1, 3, 16, 16), "costs": costs, "scores": {}, "experiment": {}, "provenance": {}}
    write_package(directory, supernet=supernet, candidate=candidate, generator=generator, **given)
    return load_package(directory, source=generator.source)


def own(directory: Path) -> GeneratorConfig:
    (directory / "net.py").write_text(SOURCE)
    return GeneratorConfig.model_validate(locate({"module": "net.py:Own"}, base=directory))


def test_a_subnets_layers_draw_their_own_and_other_parameters_are_those_of_a_new_generator(tmp_path: Path) -> None:
    choices = {"width": {"first": 8}, "weight_bits": {"first": 8}, "activation_bits": {"last": 8}}
    package = packaged(tmp_path / "package", own(tmp_path), choices)
    before = {name: tensor.clone() for name, tensor in named_tensors(package.module).items()}
    assert all((tensor == TRAINED).all() for tensor in before.values())
    torch.manual_seed(5)
    module = draw_fresh(package)
    after = named_tensors(module)
    assert module is package.module and {name: one.shape for name, one in after.items()} == {
        name: one.shape for name, one in before.items()
    }
    assert not any((tensor == TRAINED).any() for tensor in after.values())
    assert torch.equal(after["gate.scale"], torch.linspace(0.5, 1.5, 16).view(-1, 1, 1)[:8])
    assert torch.equal(after["norm.running_var"], torch.ones(8)) and int(after["norm.num_batches_tracked"]) == 0
    # At its own size: PyTorch's bound is 1 / sqrt(fan in), of the 8 channels that are left and not of 16.
    last = next(one for name, one in after.items() if name.startswith("last") and name.endswith("weight"))
    assert (8 * 9) ** -0.5 >= last.abs().max() > 0.9 * (8 * 9) ** -0.5
    torch.manual_seed(5)
    again = named_tensors(draw_fresh(package))
    assert all(torch.equal(after[name], again[name]) for name in after)
    torch.manual_seed(6)
    assert not torch.equal(before["first.weight"], named_tensors(draw_fresh(package))["first.weight"])


def test_a_whole_generator_is_as_its_builder_draws_it(tmp_path: Path) -> None:
    args = {"base_channels": 4, "blocks": 1}
    generator = completed(GeneratorConfig(name="resnet", args=args), in_channels=3, out_channels=3, offered={"height": 16, "width": 16})
    package = packaged(tmp_path / "package", generator, {})
    torch.manual_seed(5)
    drawn = named_tensors(draw_fresh(package))
    torch.manual_seed(5)
    built = named_tensors(build_completed(generator))
    assert drawn.keys() == built.keys() and all(torch.equal(drawn[name], built[name]) for name in drawn)


def test_what_can_not_be_drawn_is_told_by_name(tmp_path: Path) -> None:
    package = packaged(tmp_path / "package", own(tmp_path), {"width": {"first": 8}})
    package.module.gate.extra = nn.Parameter(torch.zeros(3))  # type: ignore[union-attr]
    with pytest.raises(CheckpointError, match=r"no fresh values can be drawn for gate\.extra"):
        draw_fresh(package)
