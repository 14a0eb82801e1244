"""Costs in closed form against arithmetic, fvcore, the extracted modules, and enumeration."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from autogc.config.experiment import SpaceConfig
from autogc.cost import COSTS, CostModel, fvcore_by_operator, fvcore_macs, fvcore_norm_macs, model, recount
from autogc.errors import ConfigError
from autogc.export import packed_file_size, values_by_tensor
from autogc.models import GENERATORS
from autogc.supernet import Candidate, Space, Supernet

EXAMPLE = torch.zeros(1, 4, 16, 24)
SUMMED = ("macs", "macs_published", "bops", "params")


def test_the_published_numbers() -> None:
    generator = GENERATORS.build("resnet", {}, in_channels=3, out_channels=3)
    supernet = Supernet.convert(generator, torch.zeros(1, 3, 256, 256), decompose=("blocks.*",), verify=False)
    costs = CostModel(supernet)
    dense = costs.costs(Candidate({}))
    separable = costs.costs(Candidate({"operator": dict.fromkeys(supernet.sites, "separable")}))
    assert dense == {
        "macs": 49_551_507_456,
        "macs_published": 56_799_264_768,
        "bops": 49_551_507_456 * 32 * 32,
        "params": 11_378_179,
        "storage_bytes": 4 * 11_378_179 + 136,
        # In up2's norm: the input, what went into the blocks (which has a name), up1's output, the convolution's, the norm's, and
        # the statistics of its two times 64 channels.
        "peak_activation_bytes": 4 * (3 * 256**2 + 256 * 64**2 + 128 * 128**2 + 2 * 64 * 256**2 + 2 * 64),
    }
    assert (separable["macs_published"], separable["params"]) == (18_314_428_416, 1_987_075)


def test_one_candidate_by_arithmetic() -> None:
    generator = GENERATORS.build("resnet", {"base_channels": 16, "blocks": 1}, in_channels=4, out_channels=3)
    supernet = Supernet.convert(generator, EXAMPLE, decompose=("blocks.*",), verify=False)
    candidate = Candidate(
        {
            "width": {"stem.conv": 8, "down2.conv": 40, "up2.conv": 8},
            "filter_pruning": {"blocks.0.conv1": 0.25},
            "operator": {"blocks.0.conv1": "separable"},
            "element_pruning": {"head.conv": 0.5},
            "weight_bits": {"blocks.0.conv1": 8},
            "activation_bits": {"blocks.0.conv1": 4, "up1.conv": 8},
            "codebook": {"head.conv": 16, "down1.conv": 256},
        }
    )
    positions = 16 * 24
    weights = {
        "stem": (8 * 4 * 49, positions, positions),
        "down1": (32 * 8 * 9, positions // 4, positions // 4),
        "down2": (40 * 32 * 9, positions // 16, positions // 16),
        "depthwise": (40 * 9, positions // 16, positions // 16),
        "pointwise": (48 * 40, positions // 16, positions // 16),
        "conv2": (40 * 48 * 9, positions // 16, positions // 16),
        "up1": (40 * 32 * 9, positions // 16, positions // 4),
        "up2": (32 * 8 * 9, positions // 4, positions),
        "head": (3 * 8 * 49, positions, positions),
    }
    biases = 8 + 32 + 40 + (40 + 48) + 40 + 32 + 8 + 3
    numel = sum(count for count, _, _ in weights.values())
    stored = 4 * (biases + numel)
    stored += weights["down1"][0] + 256 * 4 - 4 * weights["down1"][0]
    stored += (40 * 4 + 40 * 9) + (48 * 4 + 48 * 40) - 4 * (40 * 9 + 48 * 40)
    head = weights["head"][0]
    stored += head // 8 + 16 * 4 + head // 2 // 2 - 4 * head
    # The pointwise convolution reads the depthwise one's result, which is not quantised; a codebook's entries are float32.
    bits = dict.fromkeys(weights, 32 * 32) | {"depthwise": 8 * 4, "pointwise": 8 * 32, "up1": 32 * 8}
    assert CostModel(supernet).costs(candidate, only=set(COSTS) - {"peak_activation_bytes"}) == {
        "macs": sum(count * done for count, done, _ in weights.values()),
        "macs_published": sum(count * published for count, _, published in weights.values()),
        "bops": sum(count * done * bits[name] for name, (count, done, _) in weights.items()),
        "params": numel + biases,
        "storage_bytes": 8 + 128 + stored,
    }


@pytest.mark.parametrize("seed", range(6))
def test_random_candidates_cost_what_the_extracted_module_does(supernet: Supernet, space: Space, seed: int) -> None:
    candidate = space.candidate(space.sample(random.Random(seed)))
    costs = CostModel(supernet).costs(candidate)
    module = supernet.extract(candidate)
    assert costs["macs"] == fvcore_macs(module, EXAMPLE)
    assert costs["params"] == sum(parameter.numel() for parameter in module.parameters())
    values = values_by_tensor(supernet, candidate, module)
    counted = recount(module, EXAMPLE, values)
    assert {name: costs[name] for name in SUMMED} == {name: counted.total(name) for name in SUMMED}
    assert costs["storage_bytes"] == packed_file_size(module, values) == 136 + sum(layer.stored_bytes for layer in counted.layers)
    assert counted.norm_macs == fvcore_norm_macs(module, EXAMPLE)


@pytest.mark.parametrize("largest_table", [model.LARGEST_TABLE, 0])
def test_vectorised_costs_are_the_costs(supernet: Supernet, space: Space, monkeypatch: pytest.MonkeyPatch, largest_table: int) -> None:
    monkeypatch.setattr(model, "LARGEST_TABLE", largest_table)
    monkeypatch.setattr(model, "CHUNK", 7)
    costs = CostModel(supernet, space)
    columns = costs.draw(40, seed=3)
    found = costs.costs_of(columns)
    assert list(found) == list(COSTS)
    assert list(costs.costs_of(columns[:0], only=["params", "macs"])) == ["macs", "params"]
    for row, indices in enumerate(columns):
        candidate = space.candidate(space.genotype(indices))
        assert {name: int(values[row]) for name, values in found.items()} == costs.costs(candidate)


def test_the_least_is_what_enumeration_finds(supernet: Supernet) -> None:
    # Few channels make scales and codebooks weigh more than the weights, so that fewer bits are not always fewer bytes.
    config = {
        "stages": {"a": ("stem.*", "down*"), "b": ("blocks.*",), "c": ("*",)},
        "dimensions": {
            "width": {"choices": {"stem.conv": (8, 16), "down2.conv": (16, 64), "blocks.*": (8, 64)}, "tie": (("blocks.*",),)},
            "filter_pruning": {"choices": {"a": (0, 0.4), "c": (0, 0.25)}},
            "operator": {"choices": {"b": ("dense", "separable")}},
            "element_pruning": {"choices": {"b": (0, 0.02, 0.5), "c": (0, 0.02)}},
            "weight_bits": {"choices": {"*": (16, 4)}},
            "codebook": {"choices": {"*": ("none", 4096, 16)}},
        },
    }
    space = Space.build(SpaceConfig.model_validate(config), supernet)
    costs = CostModel(supernet, space)
    assert space.size < 100_000
    everything = costs.costs_of(costs.draw(space.size, seed=0))
    for name in COSTS:
        assert costs.least(name) == everything[name].min()
        assert costs.costs(space.candidate(costs.least_genotype(name)))[name] == costs.least(name)


def test_feasible_share(supernet: Supernet, space: Space) -> None:
    costs = CostModel(supernet, space)
    median = float(np.median(costs.costs_of(costs.draw(2000, seed=1))["macs"]))
    assert costs.feasible_share({"macs": median, "latency_ms": 1.0}, samples=2000, seed=2) == pytest.approx(0.5, abs=0.05)
    assert costs.feasible_share({}, samples=10) == 1.0
    assert costs.feasible_share({"macs": costs.least("macs") - 1}, samples=2000) == 0.0
    with pytest.raises(ConfigError, match="did you mean 'params'"):
        costs.least("param")


def test_a_small_space_is_enumerated(supernet: Supernet) -> None:
    config = {"stages": {"all": ("*",)}, "dimensions": {"weight_bits": {"choices": {"all": (32, 8, 4)}}}}
    costs = CostModel(supernet, Space.build(SpaceConfig.model_validate(config), supernet))
    sizes = costs.costs_of(np.array([[0], [1], [2]]))["storage_bytes"]
    assert costs.feasible_share({"storage_bytes": float(sizes[1])}, samples=100) == pytest.approx(2 / 3)


def test_columns_are_checked(supernet: Supernet, space: Space) -> None:
    costs = CostModel(supernet, space)
    with pytest.raises(ValueError, match="integers of shape"):
        costs.costs_of(np.zeros((2, 1), dtype=np.int64))
    with pytest.raises(ValueError, match="does not have"):
        costs.costs_of(np.full((1, len(space.decisions)), 99))


def test_fvcore_counts_apart_what_normalisation_does() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(4, 6, 3, bias=False), torch.nn.InstanceNorm2d(6), torch.nn.Dropout(0.5)).train()
    network[2].eval()
    assert fvcore_macs(network, EXAMPLE) == 14 * 22 * 6 * 4 * 9
    assert fvcore_norm_macs(network, EXAMPLE) == fvcore_by_operator(network, EXAMPLE)["instance_norm"] > 0
    assert network[0].training and not network[2].training
