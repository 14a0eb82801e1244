"""Depth: what can be left out is found and proven, and a subnet without it is the module that says nn.Identity there."""

from __future__ import annotations

import copy
import random
from itertools import pairwise

import pytest
import torch
from depth_nets import compact, resnet, spade
from torch import Tensor, nn

from autogc.config.experiment import SpaceConfig
from autogc.errors import CandidateError, ConfigError, ConversionError
from autogc.supernet import Candidate, Discovery, Space, Supernet
from autogc.supernet.automatic import complete_space
from autogc.supernet.groups import Unit
from autogc.supernet.units import find_units
from autogc.supernet.verify_units import verify_units

SMALL = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
LABELS = torch.rand(2, 5, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
STAGES = {"blocks": ("blocks.*",), "rest": ("*",)}


@pytest.fixture(scope="module")
def plain() -> Supernet:
    return Supernet.convert(compact(), SMALL[:1], skip=("body.*",), decompose=("body.4",), watch=("body.4",))


@pytest.fixture(scope="module")
def residual() -> Supernet:
    return Supernet.convert(resnet(), SMALL[:1], skip=("blocks.*",), watch=("blocks.1", "down2"))


def space_of(supernet: Supernet, **dimensions: object) -> Space:
    return Space.build(SpaceConfig.model_validate({"stages": {"all": ("*",)}, "dimensions": dimensions}), supernet)


@torch.no_grad()
def by_hand(generator: nn.Module, modules: tuple[str, ...], x: Tensor) -> Tensor:
    """What the generator makes with ``nn.Identity`` in the place of some of its modules."""
    changed = copy.deepcopy(generator)
    for name in modules:
        parent, _, leaf = name.rpartition(".")
        setattr(changed.get_submodule(parent), leaf, nn.Identity())
    return changed(x)


def test_residual_blocks_are_units() -> None:
    found = find_units(resnet(), SMALL[:1])
    assert found.units == tuple(Unit(f"blocks.{index}", (f"blocks.{index}",)) for index in range(3))
    assert found.reasons["down1"] == "maps 8x16x16 to 16x8x8"


def test_in_a_plain_stack_a_unit_is_a_convolution_and_its_activation() -> None:
    found = find_units(compact(), SMALL[:1])
    assert [unit.modules for unit in found.units] == [(f"body.{place}", f"body.{place + 1}") for place in (2, 4, 6, 8)]


def test_a_block_of_two_inputs_is_one_unit() -> None:
    units = {unit.name: unit for unit in find_units(spade(), LABELS[:1]).units}
    assert units["head"] == Unit("head", ("head",), inputs=2)
    assert not [name for name in units if name.startswith("head.")], "nothing inside of a block is a unit beside it"


class Odd(nn.Module):
    """Parts that can't be left out: called twice, of a shared weight, with hooks; and padding that belongs to its convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.twice = nn.Conv2d(8, 8, 3, padding=1)
        self.one = nn.Conv2d(8, 8, 3, padding=1)
        self.other = nn.Conv2d(8, 8, 3, padding=1)
        self.other.weight = self.one.weight
        self.hooked = nn.Conv2d(8, 8, 3, padding=1)
        self.hooked.register_forward_hook(lambda part, args, output: output * 2)
        self.pad = nn.ReflectionPad2d(1)
        self.padded = nn.Conv2d(8, 8, 3)
        self.norm = nn.InstanceNorm2d(8)
        self.last = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(torch.relu(self.twice(self.first(x))))
        x = self.hooked(self.other(torch.relu(self.one(x))))
        return self.last(self.norm(self.padded(self.pad(x))))  # type: ignore[no-any-return]


def test_what_cannot_be_left_out_is_told_with_the_reason() -> None:
    found = find_units(Odd().eval(), SMALL[:1])
    assert [unit.modules for unit in found.units] == [("pad", "padded", "norm")]
    assert found.reasons["twice"] == "is called 2 times"
    assert found.reasons["one"] == "shares its weight with other"
    assert "hooks of its own" in found.reasons["hooked"]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("bodi.*", "did you mean|body"), ("body.0", "body.0 maps 3x16x16 to 16x16x16"), ("body.3", "body")],
)
def test_a_pattern_that_matches_no_unit_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ConversionError, match=f"supernet.skip: '{pattern}' matches nothing that can be left out.*({said})"):
        Supernet.convert(compact(), SMALL[:1], skip=("body.2", pattern))


def test_a_distilled_layer_inside_a_unit_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"losses.distillation_layers: 'blocks.1.conv1' lies inside 'blocks.1'"):
        Supernet.convert(resnet(), SMALL[:1], skip=("blocks.*",), watch=("blocks.1.conv1",), verify=False)


def test_without_skip_nothing_changes() -> None:
    supernet = Supernet.convert(compact(), SMALL[:1], verify=False)
    assert not supernet.units and len(supernet.discovery.groups) == 5


def test_a_plain_unit_has_the_same_channels_at_both_ends(plain: Supernet) -> None:
    assert list(plain.units) == ["body.2", "body.4", "body.6", "body.8"]
    assert [group.producers for group in plain.discovery.groups] == [("body.0", "body.2", "body.4", "body.6", "body.8")]
    some = Supernet.convert(compact(), SMALL[:1], skip=("body.4",), verify=False)
    assert [group.producers for group in some.discovery.groups] == [("body.0",), ("body.2", "body.4"), ("body.6",), ("body.8",)]


def test_the_proof_finds_nothing_wrong(plain: Supernet, residual: Supernet) -> None:
    for supernet in (plain, residual):
        assert not supernet.fixed["depth"] and not supernet.fixed["channels"]


def test_a_left_out_unit_is_the_identity(plain: Supernet, residual: Supernet) -> None:
    for supernet, generator in ((plain, compact()), (residual, resnet())):
        for unit in supernet.units.values():
            with torch.no_grad():
                found = supernet.eval()(SMALL, Candidate({"depth": {unit.name: "skip"}}))
            assert torch.allclose(found, by_hand(generator, unit.modules, SMALL), atol=1e-5)
            assert not torch.allclose(found, by_hand(generator, (), SMALL), atol=1e-3)


def test_a_b_a_gives_the_same_a_and_errors_restore(residual: Supernet) -> None:
    short = Candidate({"depth": {"blocks.0": "skip", "blocks.2": "skip"}})
    with torch.no_grad():
        first, other = residual(SMALL, Candidate({})), residual(SMALL, short)
        with pytest.raises(RuntimeError):
            residual(SMALL[:, :2], short)
        assert torch.equal(residual(SMALL, Candidate({})), first) and torch.equal(residual(SMALL, short), other)
    assert not [name for name, part in residual.module.named_modules() if "forward" in vars(part)]


def test_extracted_subnets_equal_the_supernets(plain: Supernet, residual: Supernet) -> None:
    dimensions = {
        "depth": {"choices": {"*": (1.0, 0.5, 1)}},
        "width": {"choices": {"*": (1.0, 0.5)}},
        "weight_bits": {"choices": {"*": (32, 8)}},
        "activation_bits": {"choices": {"*": (32, 8)}},
    }
    draw = random.Random(3)
    for supernet in (plain.eval(), residual.eval()):
        space = space_of(supernet, **dimensions)
        for genotype in (space.smallest(), *(space.sample(draw) for _ in range(4))):
            candidate = space.candidate(genotype)
            supernet.check(candidate)
            module = supernet.extract(candidate)
            with torch.no_grad():
                assert torch.allclose(module(SMALL), supernet(SMALL, candidate), atol=1e-5)
            for unit in supernet.skipped(candidate):
                assert not [name for name, _ in module.named_parameters() if unit.holds(name)]
                assert all(isinstance(module.get_submodule(name), nn.Identity) for name in unit.modules)


def test_features_of_a_left_out_layer_are_what_it_was_given(plain: Supernet, residual: Supernet) -> None:
    with torch.no_grad():
        _, (block, down) = residual.forward_with_features(SMALL, Candidate({"depth": {"blocks.0": "skip", "blocks.1": "skip"}}))
        assert torch.equal(block, down)
        narrow = Candidate({"depth": {"body.4": "skip"}, "width": {"body.0": 8}})
        _, (feature,) = plain.forward_with_features(SMALL, narrow)
    assert feature.shape[1] == 8 == len(plain.watched_index("body.4", narrow))


def test_gradients_reach_what_runs_and_nothing_else(residual: Supernet) -> None:
    supernet = copy.deepcopy(residual).requires_grad_(True).train()
    supernet(SMALL, Candidate({"depth": {"blocks.1": "skip"}})).square().mean().backward()
    parameters = dict(supernet.module.named_parameters())
    assert parameters["blocks.1.conv1.weight"].grad is None
    assert parameters["blocks.0.conv1.weight"].grad is not None and parameters["stem.conv.weight"].grad is not None


def test_norms_are_calibrated_without_the_left_out() -> None:
    supernet = Supernet.convert(resnet(norm="batch"), SMALL[:1], skip=("blocks.*",), verify=False).eval()
    candidate = Candidate({"depth": {"blocks.1": "skip"}})
    statistics = supernet.calibrate(candidate, [SMALL])
    assert statistics and not [name for name in statistics if name.startswith("blocks.1.")]
    with torch.no_grad():
        module = supernet.extract(candidate, statistics)
        assert torch.allclose(module(SMALL), supernet(SMALL, candidate, statistics), atol=1e-5)


def test_candidates_name_units_and_values(residual: Supernet) -> None:
    with pytest.raises(CandidateError, match=r"depth names 'stem', which this supernet lacks"):
        residual.check(Candidate({"depth": {"stem": "skip"}}))
    with pytest.raises(CandidateError, match=r"depth at 'blocks.0': 'drop' does not say whether a unit stays"):
        residual.check(Candidate({"depth": {"blocks.0": "drop"}}))


class Changed(nn.Module):
    """A convolution that is followed by an activation in place, of a tensor that is wanted afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(16, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).sigmoid()
        y = self.middle(x).relu_()
        return self.last(torch.cat([x, y], 1))  # type: ignore[no-any-return]


class Asked(nn.Module):
    """Code that asks a layer for its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.middle(self.first(x).to(self.middle.weight.dtype)))  # type: ignore[no-any-return]


@pytest.mark.parametrize(("kind", "why"), [(Changed, "training without it raises"), (Asked, "has no attribute 'weight'")])
def test_a_unit_that_fails_its_proof_stays_and_the_reason_is_told(kind: type[nn.Module], why: str) -> None:
    torch.manual_seed(0)
    supernet = Supernet.convert(kind().eval(), SMALL[:1], skip=("middle",))
    assert not supernet.units and why in supernet.fixed["depth"]["middle"]


def test_the_proof_sees_a_switch_that_does_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    from autogc.supernet import units

    supernet = Supernet.convert(compact(), SMALL[:1], skip=("body.2",), verify=False)
    monkeypatch.setattr(units, "_first", lambda x, *others: 1.01 * x)
    proven = verify_units(compact(), (SMALL[:1],), supernet.discovery)
    assert not proven.units and "differs from the network with the identity there" in proven.required["body.2"]


def test_a_proven_discovery_is_kept_and_read(residual: Supernet) -> None:
    again = Discovery.from_json(residual.discovery.to_json())
    assert again == residual.discovery
    loaded = Supernet.convert(resnet(), SMALL[:1], skip=("blocks.*",), watch=("blocks.1", "down2"), discovery=again)
    assert list(loaded.units) == list(residual.units)
    old = {key: value for key, value in residual.discovery.to_json().items() if key not in ("units", "required")}
    assert Discovery.from_json(old).units == ()


def test_a_depth_is_how_many_of_the_first_units_stay(plain: Supernet) -> None:
    space = space_of(plain, depth={"choices": {"*": (1.0, 3, 0.5, 0.1, 0, 9)}})
    (decision,) = space.decisions
    assert decision.name == "depth/all" and decision.values == (4, 3, 2, 1, 0)
    kept = [
        {unit for unit in plain.units if unit not in space.candidate({"depth/all": value}).choices.get("depth", {})}
        for value in (4, 3, 2, 1, 0)
    ]
    assert all(shallow < deep for deep, shallow in pairwise(kept)), "subnets are nested"
    assert kept[2] == {"body.2", "body.4"} and space.candidate({"depth/all": 4}) == Candidate({})


@pytest.mark.parametrize("value", [-1, "2", 1.5, True])
def test_a_depth_that_is_none_is_refused(plain: Supernet, value: object) -> None:
    with pytest.raises(ConfigError, match="is not a depth"):
        space_of(plain, depth={"choices": {"*": (1.0, value)}})


def test_depth_without_units_is_refused() -> None:
    supernet = Supernet.convert(compact(), SMALL[:1], verify=False)
    with pytest.raises(ConfigError, match=r"space.dimensions.depth.choices: '\*' matches nothing"):
        space_of(supernet, depth={"choices": {"*": (1.0, 0.5)}})


def test_tied_stages_are_equally_deep(plain: Supernet) -> None:
    stages = {"early": ("body.0", "body.2", "body.4"), "late": ("*",)}
    config = {"stages": stages, "dimensions": {"depth": {"choices": {"*": (1.0, 0.5)}, "tie": (("early", "late"),)}}}
    space = Space.build(SpaceConfig.model_validate(config), plain)
    assert space.candidate(space.smallest()) == Candidate({"depth": {"body.4": "skip", "body.8": "skip"}})


def test_equal_subnets_are_equal_candidates(residual: Supernet) -> None:
    space = Space.build(
        SpaceConfig.model_validate(
            {
                "stages": STAGES,
                "dimensions": {
                    "depth": {"choices": {"blocks": (1.0, 1)}},
                    "width": {"choices": {"blocks.2.conv1": (1.0, 0.5), "down2.conv": (1.0, 0.5)}},
                    "weight_bits": {"choices": {"*": (32, 8)}},
                },
            }
        ),
        residual,
    )
    shallow = {**space.largest(), "depth/blocks": 1}
    assert space.candidate({**shallow, "width/blocks.2.conv1": 16}) == space.candidate(shallow)
    assert space.candidate({**shallow, "width/down2.conv": 16}) != space.candidate(shallow)
    bits = next(decision.name for decision in space.decisions if decision.name.endswith("/blocks") and "depth" not in decision.name)
    assert set(space.candidate({**shallow, bits: 8}).choices["weight_bits"]) == {"blocks.0.conv1", "blocks.0.conv2"}


def test_an_automatic_space_has_depths_where_units_may_be_left_out(residual: Supernet, plain: Supernet) -> None:
    for supernet in (residual, plain):
        config = complete_space(SpaceConfig(), supernet)
        assert config.dimensions is not None and "depth" in config.dimensions
        space = Space.build(SpaceConfig(), supernet)
        depths = {decision.name: decision.values for decision in space.decisions if decision.name.startswith("depth/")}
        assert depths == ({"depth/blocks": (3, 2, 1)} if supernet is residual else {"depth/body.0-4": (2, 1), "depth/body.6-10": (2, 1)})
    without = Supernet.convert(compact(), SMALL[:1], verify=False)
    assert "depth" not in (complete_space(SpaceConfig(), without).dimensions or {})


def test_blocks_of_two_inputs_are_left_out() -> None:
    supernet = Supernet.convert(spade(), LABELS[:1], skip=("head", "middle*"), verify=False).eval()
    candidate = Candidate({"depth": {"head": "skip", "middle2": "skip"}, "width": {"fc": 32}})
    with torch.no_grad():
        assert torch.allclose(supernet.extract(candidate)(LABELS), supernet(LABELS, candidate), atol=1e-6)
