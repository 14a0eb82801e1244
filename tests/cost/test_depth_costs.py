"""The costs of subnets without some of their units, against the modules that they are."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autogc.config.experiment import LatencyConfig, SpaceConfig
from autogc.cost import COSTS, CostModel, TimedCostModel, fvcore_macs, prove, recount
from autogc.cost.latency import build, build_latency_table
from autogc.cost.latency.calls import Call, recorded, work_of
from autogc.cost.latency.meter import Measured
from autogc.cost.latency.program import running
from autogc.cost.peak import depths, record
from autogc.export import packed_file_size, values_by_tensor
from autogc.models import GENERATORS
from autogc.supernet import Candidate, Space, Supernet

EXAMPLE = torch.zeros(1, 3, 16, 16)
DIMENSIONS = {
    "depth": {"choices": {"*": (1.0, 0.5, 0)}},
    "width": {"choices": {"*": (0.5, 1.0)}},
    "operator": {"choices": {"*": ("dense", "separable")}},
    "filter_pruning": {"choices": {"*": (0, 0.25)}},
    "element_pruning": {"choices": {"*": (0, 0.5)}},
    "weight_bits": {"choices": {"*": (32, 8)}},
    "codebook": {"choices": {"*": ("none", 16)}},
    "activation_bits": {"choices": {"*": (32, 8)}},
}


class Stack(nn.Module):
    """Convolutions of one width, one after the other, without norms."""

    def __init__(self, convs: int = 4, width: int = 16) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.PReLU(width))
        self.body = nn.ModuleList(part for _ in range(convs) for part in (nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)))
        self.tail = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.head(x)
        for part in self.body:
            x = part(x)
        return self.tail(x)  # type: ignore[no-any-return]


def converted(kind: str) -> tuple[Supernet, Space]:
    torch.manual_seed(0)
    if kind == "stack":
        generator, skip, stages = Stack(), "body.*", {"body": ("body.*",), "rest": ("*",)}
    else:
        args = {"base_channels": 16, "blocks": 2, "norm": "batch"}
        generator, skip, stages = (
            GENERATORS.build("resnet", args, in_channels=3, out_channels=3),
            "blocks.*",
            {"blocks": ("blocks.*",), "rest": ("*",)},
        )
    decompose = ("body.0", "body.6") if kind == "stack" else ("blocks.1.*", "down2.conv")
    supernet = Supernet.convert(generator, EXAMPLE, skip=(skip,), decompose=decompose, verify=False).eval()
    return supernet, Space.build(SpaceConfig.model_validate({"stages": stages, "dimensions": DIMENSIONS}), supernet)


@pytest.fixture(scope="module", params=["stack", "resnet"])
def made(request: pytest.FixtureRequest) -> tuple[Supernet, Space]:
    return converted(request.param)


def test_random_subnets_cost_what_their_modules_do(made: tuple[Supernet, Space]) -> None:
    supernet, space = made
    costs = CostModel(supernet, space)
    draw = random.Random(0)
    genotypes = [space.largest(), space.smallest(), *(space.sample(draw) for _ in range(10))]
    many = costs.costs_of(np.array([space.indices(genotype) for genotype in genotypes]))
    depths_seen = set()
    for place, genotype in enumerate(genotypes):
        candidate = space.candidate(genotype)
        depths_seen.add(len(supernet.skipped(candidate)))
        module = supernet.extract(candidate)
        values = values_by_tensor(supernet, candidate, module)
        counted = recount(module, EXAMPLE, values)
        found = costs.costs(candidate)
        assert found["macs"] == fvcore_macs(module, EXAMPLE)
        assert found["params"] == sum(parameter.numel() for parameter in module.parameters())
        assert found["storage_bytes"] == packed_file_size(module, values)
        assert {name: counted.total(name) for name in ("macs", "macs_published", "bops", "params")} == {
            name: found[name] for name in ("macs", "macs_published", "bops", "params")
        }
        assert found["peak_activation_bytes"] == record(module, EXAMPLE).peak
        assert {name: int(many[name][place]) for name in COSTS} == found
    assert len(depths_seen) == 3


def test_a_subnet_is_proven(made: tuple[Supernet, Space]) -> None:
    supernet, space = made
    prove(supernet, CostModel(supernet, space), space.candidate(space.smallest()), example=EXAMPLE)


def test_one_block_by_arithmetic() -> None:
    supernet, _ = converted("resnet")
    costs = CostModel(supernet)
    full, short = costs.costs(Candidate({})), costs.costs(Candidate({"depth": {"blocks.0": "skip"}}))
    weights, others = 2 * 64 * 64 * 9, 2 * 64 + 2 * 64
    # Batch norms keep two running statistics and a counter of 8 bytes; their convolutions have no biases.
    assert full["macs"] - short["macs"] == weights * 16
    assert full["params"] - short["params"] == weights + others
    assert full["storage_bytes"] - short["storage_bytes"] == 4 * (weights + 2 * others) + 2 * 8
    assert full["bops"] - short["bops"] == weights * 16 * 32 * 32


@pytest.mark.parametrize("kind", ["stack", "resnet"])
def test_the_least_is_what_enumeration_finds(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    supernet, _ = converted(kind)
    part = "body" if kind == "stack" else "blocks"
    dimensions = {
        "depth": {"choices": {"*": (1.0, 0.5, 0)}},
        "width": {"choices": {"*": (0.5, 1.0)}},
        "weight_bits": {"choices": {part: (32, 8)}},
        "activation_bits": {"choices": {part: (32, 8)}},
    }
    stages = {part: (f"{part}.*",), "rest": ("*",)}
    space = Space.build(SpaceConfig.model_validate({"stages": stages, "dimensions": dimensions}), supernet)
    costs = CostModel(supernet, space)
    everything = costs.draw(1 << 12, 0)
    assert len(everything) == space.size
    all_costs = costs.costs_of(everything)
    for name in COSTS:
        assert costs.least(name) == all_costs[name].min(), name
        assert costs.costs(space.candidate(costs.least_genotype(name)))[name] == costs.least(name)
    monkeypatch.setattr(depths, "MOST_SETS", 1)
    assert CostModel(supernet, space).least("peak_activation_bytes") <= costs.least("peak_activation_bytes")


class Formula:
    """A device on which a call takes 1 microsecond, and a nanosecond for each unit of its work."""

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet

    def measure(self, module: nn.Module, *, layers: bool, whole: bool) -> Measured:
        times = [self.of(call) for call in recorded(module, self.supernet.example_shape, self.supernet.layers)]
        return Measured(times if layers else [], 1.01 * sum(times) + 0.05 if whole else None, 0.02)

    @staticmethod
    def of(call: Call) -> float:
        return 1e-3 + 1e-6 * work_of(call.template, call.numbers, call.kind)


def test_latency_is_that_of_the_layers_that_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MOST": 20, "LEARNED": {"eager": 10}, "HELD_OUT": {"eager": 8}, "PASSES": {"eager": 2}}.items():
        monkeypatch.setattr(build, name, value)
    supernet, _ = converted("stack")
    dimensions: dict[str, Any] = {
        "depth": {"choices": {"*": (1.0, 0.5, 0)}},
        "width": {"choices": {"*": (0.5, 1.0)}},
        "operator": {"choices": {"body": ("dense", "separable")}},
        "activation_bits": {"choices": {"rest": (32, 8)}},
    }
    stages = {"body": ("body.*",), "rest": ("*",)}
    space = Space.build(SpaceConfig.model_validate({"stages": stages, "dimensions": dimensions}), supernet)
    config = LatencyConfig(threads=1, patience_s=0)
    predictor = build_latency_table(supernet, space, config, path=tmp_path / "table.json", meter=Formula(supernet))
    draw = random.Random(1)
    genotypes = [space.largest(), space.smallest(), *(space.sample(draw) for _ in range(6))]
    rows = np.array([space.indices(genotype) for genotype in genotypes])
    expected = []
    for genotype in genotypes:
        module = supernet.extract(running(space.candidate(genotype)))
        expected.append(1.01 * sum(Formula.of(call) for call in recorded(module, supernet.example_shape, supernet.layers)) + 0.05)
    assert predictor.predict(rows) == pytest.approx(expected, rel=0.02)
    assert [predictor.of(supernet, space.candidate(genotype)) for genotype in genotypes] == pytest.approx(list(predictor.predict(rows)))
    costs = TimedCostModel(supernet, space, predictor)
    everything = costs.draw(1 << 12, 0)
    assert costs.least("latency_ms") == pytest.approx(predictor.predict(everything).min())
