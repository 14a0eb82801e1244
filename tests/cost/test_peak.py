"""Peak activation memory against arithmetic, the profiler's allocations, recordings of extracted modules, and enumeration."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from autogc.config.experiment import SpaceConfig
from autogc.cost import CostModel, measure_peak, recount
from autogc.cost.peak import model, record
from autogc.cost.peak.steps import at_most, highest
from autogc.export import values_by_tensor
from autogc.supernet import Candidate, Space, Supernet

PEAK = "peak_activation_bytes"


class Skipping(nn.Module):
    """Holds ``skip`` while two convolutions run, and drops what it names ``x``."""

    def __init__(self) -> None:
        super().__init__()
        self.take = nn.Conv2d(3, 16, 3, padding=1)
        self.turn = nn.Conv2d(16, 24, 3, padding=1)
        self.give = nn.Conv2d(40, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.take(x)
        y = self.turn(skip)
        joined = torch.cat([skip, y], dim=1)
        del skip, y
        return torch.tanh(self.give(joined))


def convert(module: nn.Module, *, decompose: tuple[str, ...] = ()) -> Supernet:
    torch.manual_seed(0)
    return Supernet.convert(module, torch.zeros(1, 3, 8, 8), decompose=decompose, verify=False)


def test_the_peak_by_arithmetic() -> None:
    costs = CostModel(convert(Skipping(), decompose=("turn",)))
    pixels = 4 * 8 * 8
    # The input; skip and y, twice each: once by themselves and once joined.
    assert costs.costs(Candidate({}))[PEAK] == pixels * (3 + 2 * (16 + 24))
    assert costs.costs(Candidate({"width": {"take": 8, "turn": 16}}))[PEAK] == pixels * (3 + 2 * (8 + 16))
    # Separable, with turn wide: skip, its copy and y are still less than at the joining.
    separable = {"operator": {"turn": "separable"}}
    assert costs.costs(Candidate(separable))[PEAK] == pixels * (3 + 2 * (16 + 24))
    # Reading joined in 8 bits makes copies of it: four are held while codes are rounded, on top of the input.
    few = costs.costs(Candidate({"activation_bits": {"give": 8}}))[PEAK]
    assert few == record(costs._supernet.extract(Candidate({"activation_bits": {"give": 8}})), torch.zeros(1, 3, 8, 8)).peak
    assert few > pixels * (3 + 2 * (16 + 24))


@pytest.mark.parametrize("small", [model.SMALL_MACS, 0], ids=["real", "fake"])
def test_random_subnets_hold_what_they_are_recorded_to(
    supernet: Supernet, space: Space, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "SMALL_MACS", small)
    costs = CostModel(supernet, space)
    example = torch.rand(1, 4, 16, 24)

    @given(st.integers(0, 2**32))
    @settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    def holds(seed: int) -> None:
        genotype = space.sample(random.Random(seed))
        candidate = space.candidate(genotype)
        module = supernet.extract(candidate)
        found = costs.costs(candidate)
        assert found[PEAK] == record(module, example).peak
        assert found["bops"] == recount(module, example, values_by_tensor(supernet, candidate, module)).total("bops")
        assert {name: int(values[0]) for name, values in costs.costs_of(space.indices(genotype)[None]).items()} == found

    holds()
    assert costs.peak.problem is None


def test_the_allocator_sees_the_same_without_being_asked_after_each_operator(supernet: Supernet) -> None:
    module, example = supernet.extract(Candidate({})), torch.rand(1, 4, 16, 24)
    measured = measure_peak(module, example)
    assert record(module, example).peak == pytest.approx(measured.held_bytes, rel=0.05)
    with torch.inference_mode(), torch.autograd.profiler.profile(profile_memory=True, use_kineto=True) as profiler:
        given_to = example.clone()
        made = module(given_to)
    now = whole = 0
    for event in sorted(profiler.kineto_results.events(), key=lambda one: one.start_ns()):
        now += event.nbytes() if event.name() == "[memory]" else 0
        whole = max(whole, now)
    assert made.shape[0] == 1 and whole == pytest.approx(measured.with_workspaces_bytes, rel=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_the_peak_on_cuda(supernet: Supernet) -> None:
    module = supernet.extract(Candidate({})).cuda()
    held = measure_peak(module, torch.rand(1, 4, 16, 24, device="cuda")).held_bytes
    # Blocks of 512 bytes are large beside a picture of 16 x 24.
    assert CostModel(supernet).costs(Candidate({}))[PEAK] == pytest.approx(held, rel=0.2)


def test_the_least_is_what_enumeration_finds(supernet: Supernet) -> None:
    config = {
        "stages": {"a": ("stem.*", "down*"), "b": ("blocks.*",), "c": ("*",)},
        "dimensions": {
            "width": {"choices": {"stem.conv": (8, 16), "down2.conv": (16, 64), "blocks.*": (8, 64)}, "tie": (("blocks.*",),)},
            "operator": {"choices": {"b": ("dense", "separable")}},
            "activation_bits": {"choices": {"a": (8, 4), "b": (32, 8), "c": (32, 8)}},
        },
    }
    space = Space.build(SpaceConfig.model_validate(config), supernet)
    costs = CostModel(supernet, space)
    found = costs.costs_of(costs.draw(space.size, 0), only=[PEAK])[PEAK]
    assert costs.least(PEAK) == found.min() < found.max()
    assert costs.costs(space.candidate(costs.least_genotype(PEAK)))[PEAK] == costs.least(PEAK)
    assert costs.feasible_share({PEAK: float(np.median(found))}) == pytest.approx(0.5, abs=0.2)


class Whimsical(nn.Module):
    """Does something else where it is narrow: no formula says what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.take = nn.Conv2d(3, 16, 3, padding=1)
        self.give = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.take(x)
        if y.shape[1] <= 8:
            y = (y + 1).relu() + y
        return self.give(y)


def test_without_a_formula_every_subnet_is_recorded() -> None:
    supernet = convert(Whimsical())
    space = Space.build(
        SpaceConfig.model_validate(
            {
                "stages": {"all": ("*",)},
                "dimensions": {"width": {"choices": {"*": (16, 8)}}, "activation_bits": {"choices": {"*": (32, 8)}}},
            }
        ),
        supernet,
    )
    costs = CostModel(supernet, space)
    columns = costs.draw(4, 0)
    found = costs.costs_of(columns, only=[PEAK])[PEAK]
    for row, value in zip(columns, found, strict=True):
        module = supernet.extract(space.candidate(space.genotype(row)))
        assert record(module, torch.zeros(1, 3, 8, 8)).peak == value
    assert costs.peak.problem == "it does not do the same at every width"
    assert 0 < costs.least(PEAK) <= found.min()


def test_what_another_moment_is_never_below_is_left_out() -> None:
    wide, narrow, other = {("a",): 4, (): 2}, {("a",): 3}, {("b",): 1}
    assert at_most(narrow, wide) and not at_most(wide, narrow) and not at_most(other, wide)
    assert highest([narrow, other, wide, wide]) == [wide, other]
    assert highest([narrow, other], above=[wide]) == [other]
