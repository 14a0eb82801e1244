"""Costs of generators whose channels do not simply follow one another: grouped, depthwise, shuffled, concatenated, flattened."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, nn

from autogc.cost import CostModel, fvcore_macs, recount
from autogc.export import values_by_tensor
from autogc.supernet import Candidate, Supernet


class Patterns(nn.Module):
    """One of each: shared weights, grouped and depthwise convolutions, GroupNorm, PixelShuffle, concatenation, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.code = nn.Linear(12, 16 * 4 * 4)
        self.grouped = nn.Conv2d(16, 32, 3, padding=1, groups=4)
        self.norm = nn.GroupNorm(4, 32)
        self.depthwise = nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False)
        self.wide = nn.Conv2d(32, 64, 1)
        self.shuffle = nn.PixelShuffle(2)
        self.twice = nn.Conv2d(16, 16, 3, padding=1)
        self.up = nn.ConvTranspose2d(32, 24, 4, stride=2, padding=1)
        self.scale = nn.Parameter(torch.ones(24, 1, 1))
        self.last = nn.Conv2d(24, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.code(z.flatten(1)).view(len(z), -1, 4, 4)
        x = self.shuffle(self.wide(self.depthwise(torch.relu(self.norm(self.grouped(x))))))
        x = torch.cat([x, self.twice(self.twice(x))], dim=1)
        return torch.tanh(self.last(torch.relu(self.up(x)) * self.scale))


@pytest.fixture(scope="module")
def patterns() -> Supernet:
    torch.manual_seed(0)
    return Supernet.convert(Patterns(), torch.zeros(1, 12, 1, 1), decompose=("last", "twice"), verify=False)


@pytest.mark.parametrize("seed", range(8))
def test_costs_are_the_extracted_modules(patterns: Supernet, seed: int) -> None:
    rng = random.Random(seed)
    widths, ratios = {}, {}
    for group in patterns.discovery.groups:
        widths[group.name] = rng.randint(1, group.size // group.multiple) * group.multiple
        ratios[group.name] = rng.choice([0.0, 0.3])
    operators = {site: rng.choice(["dense", "separable"]) for site in patterns.sites}
    bits = {dimension: {layer: rng.choice([8, 4]) for layer in patterns.quantizable} for dimension in ("weight_bits", "activation_bits")}
    candidate = Candidate({"width": widths, "filter_pruning": ratios, "operator": operators, **bits})
    costs = CostModel(patterns).costs(candidate)
    module = patterns.extract(candidate)
    example = torch.rand(1, 12, 1, 1)
    assert torch.allclose(module(example), patterns(example, candidate), atol=1e-6)
    assert costs["macs"] == fvcore_macs(module, example)
    assert costs["params"] == sum(parameter.numel() for parameter in module.parameters())
    counted = recount(module, example, values_by_tensor(patterns, candidate, module))
    assert costs["bops"] == counted.total("bops") and costs["macs_published"] == counted.total("macs_published")
    assert costs["storage_bytes"] == 136 + sum(layer.stored_bytes for layer in counted.layers)


def test_the_patterns_are_elastic(patterns: Supernet) -> None:
    assert len(patterns.discovery.groups) >= 3 and not patterns.discovery.frozen
