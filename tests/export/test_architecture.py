"""Architectures as plain data, for generators that are not made of known layers only."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from autogc.config.generator import GeneratorConfig
from autogc.errors import CheckpointError
from autogc.export.architecture import build, describe
from autogc.export.tensors import assign, named_tensors
from autogc.models import GENERATORS
from autogc.supernet import QuantizedInput, SeparableConv2d

COMPONENT = GeneratorConfig(name="export_test", args={"in_channels": 3, "out_channels": 3})


class Scaled(nn.Module):
    """Owns a parameter, a buffer outside of the state dict, and a plain number that follows its channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.register_buffer("shift", torch.arange(float(channels)).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1, self.channels, *x.shape[2:]) * self.scale + self.shift


class Shared(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, channels: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, channels, 1)
        self.norm = nn.GroupNorm(2, channels)
        self.scaled = Scaled(channels)
        self.again = nn.Conv2d(channels, channels, 1)
        self.twice = nn.Conv2d(channels, channels, 1)
        self.twice.weight = self.again.weight
        self.last = nn.ConvTranspose2d(channels, out_channels, 2, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.twice(self.again(self.scaled(self.norm(self.first(x))))))


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    GENERATORS.register("export_test")(Shared)
    yield
    del GENERATORS._builders["export_test"]


def rebuilt(module: nn.Module) -> nn.Module:
    architecture = json.loads(json.dumps(describe(module, COMPONENT)))
    again = build(architecture, COMPONENT)
    assign(again, named_tensors(module), shared=architecture["shared"], where="here")
    return again


def test_own_tensors_shared_weights_and_operators_come_back() -> None:
    module = Shared(3, 3, channels=6)
    module.scaled.shift.add_(1)
    module.first = QuantizedInput(SeparableConv2d(3, 6, (3, 3), padding=(1, 1), bias=False), 8)
    again = rebuilt(module.eval())
    x = torch.rand(2, 3, 4, 4)
    assert torch.equal(again(x), module(x))
    assert again.twice.weight is again.again.weight
    assert str(again) == str(module) and again.scaled.channels == 6


def test_the_full_generator_needs_no_changes() -> None:
    architecture = describe(Shared(3, 3), COMPONENT)
    assert architecture["modules"] == architecture["resized"] == {}
    assert architecture["shared"] == {"twice.weight": "again.weight"}


def test_what_plain_data_cannot_tell_is_refused() -> None:
    module = Shared(3, 3)
    module.norm = nn.LocalResponseNorm(2)
    with pytest.raises(CheckpointError, match=r"norm \(LocalResponseNorm\).*makes a GroupNorm"):
        describe(module, COMPONENT)
    module = Shared(3, 3)
    module.scaled.extra = nn.Identity()
    with pytest.raises(CheckpointError, match=r"scaled \(Scaled\).*'extra'"):
        describe(module, COMPONENT)
    module = Shared(3, 3)
    module.scaled.register_buffer("more", torch.zeros(1))
    with pytest.raises(CheckpointError, match="'more'"):
        describe(module, COMPONENT)


def test_weights_are_assigned_strictly() -> None:
    module = Shared(3, 3)
    architecture = describe(module, COMPONENT)
    tensors = named_tensors(module)
    tensors["stray"] = tensors.pop("first.bias")
    tensors["first.weight"] = torch.zeros(1, 2)
    with pytest.raises(CheckpointError, match=r"missing 'first.bias'; unexpected 'stray'; 'first.weight' has shape \(1, 2\)"):
        assign(build(architecture, COMPONENT), tensors, shared=architecture["shared"], where="here")


def test_an_edited_architecture_is_refused() -> None:
    architecture = describe(Shared(3, 3, channels=6), COMPONENT)
    with pytest.raises(CheckpointError, match="no plain attribute 'forward'"):
        build({**architecture, "resized": {"scaled": {"attributes": {"forward": 1}, "tensors": {}}}}, COMPONENT)
    with pytest.raises(CheckpointError, match="no tensor 'other'"):
        build({**architecture, "resized": {"scaled": {"attributes": {}, "tensors": {"other": [1]}}}}, COMPONENT)
    with pytest.raises(CheckpointError, match="can't be built"):
        build({**architecture, "modules": {"first": {"type": "Conv2d", "args": {"channels": 3}}}}, COMPONENT)
    with pytest.raises(CheckpointError, match="not a type with args"):
        build({**architecture, "modules": {"first": "Conv2d"}}, COMPONENT)
