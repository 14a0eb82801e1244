"""The supernet: a candidate's subnet is a pure function, equal to the extracted module, and trains the shared weights."""

from __future__ import annotations

import copy
import json
import pickle
import random
import warnings

import pytest
import torch
from torch import nn

from autogc.config.experiment import SpaceConfig
from autogc.errors import CandidateError, CheckpointError, ConfigError, ConversionError
from autogc.models import GENERATORS
from autogc.supernet import Candidate, Discovery, ElasticConv2d, SeparableConv2d, Space, Supernet

STAGES = {
    "stem": ("stem.*", "down1.*"),
    "trunk": ("down2.*",),
    "blocks": ("blocks.*",),
    "tail": ("*",),
}
DIMENSIONS = {
    "width": {"choices": {"*": (0.5, 0.75, 1.0)}, "tie": (("blocks.*",),)},
    "operator": {"choices": {"blocks": ("dense", "separable")}},
    "filter_pruning": {"choices": {"*": (0, 0.25)}},
    "element_pruning": {"choices": {"*": (0, 0.25, 0.5)}},
    "weight_bits": {"choices": {"*": (32, 16, 8, 6, 4)}},
    "codebook": {"choices": {"*": ("none", 256, 64, 16)}},
    "activation_bits": {"choices": {"*": (32, 8)}},
}
X = torch.rand(2, 5, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def make_generator(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return GENERATORS.build("resnet", {"base_channels": 16, "blocks": 2}, in_channels=5, out_channels=3)


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    return Supernet.convert(make_generator(), X[:1], decompose=("blocks.*",), watch=("down2", "blocks.1"))


@pytest.fixture(scope="module")
def space(supernet: Supernet) -> Space:
    return Space.build(SpaceConfig(stages=STAGES, dimensions=DIMENSIONS), supernet)


def candidates(space: Space, count: int = 6) -> list[Candidate]:
    rng = random.Random(7)
    genotypes = [space.largest(), space.smallest(), *(space.sample(rng) for _ in range(count))]
    return [space.candidate(genotype) for genotype in genotypes]


def test_the_full_candidate_is_the_generator(supernet: Supernet) -> None:
    with torch.no_grad():
        expected = make_generator().eval()(X)
        assert torch.allclose(supernet(X, Candidate({})), expected, atol=1e-5)


def test_evaluating_a_b_a_gives_the_same_a(supernet: Supernet, space: Space) -> None:
    a, b = candidates(space, 2)[-2:]
    before = copy.deepcopy(supernet.state_dict())
    with torch.no_grad():
        first, other, again = supernet(X, a), supernet(X, b), supernet(X, a)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert all(torch.equal(before[name], value) for name, value in supernet.state_dict().items())


def test_the_extracted_module_equals_the_subnet_and_is_smaller(supernet: Supernet, space: Space) -> None:
    full = sum(p.numel() for p in make_generator().parameters())
    for candidate in candidates(space):
        module = supernet.extract(candidate)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("error")
            assert float((supernet(X, candidate) - module(X)).abs().max()) <= 1e-5
        assert not any(isinstance(part, ElasticConv2d) for part in module.modules())
        assert not any(part._forward_pre_hooks for part in module.modules())
        if candidate.choices.get("width"):
            assert sum(p.numel() for p in module.parameters()) < full
        for part in module.modules():
            if isinstance(part, nn.Conv2d):
                assert part.weight.shape == (part.out_channels, part.in_channels // part.groups, *part.kernel_size)


def test_what_a_call_sets_is_restored_even_when_it_fails(supernet: Supernet, space: Space) -> None:
    candidate = space.candidate(space.smallest())
    with pytest.raises(RuntimeError):
        supernet(X[:, :3], candidate)
    with torch.no_grad():
        assert torch.allclose(supernet(X, Candidate({})), make_generator().eval()(X), atol=1e-5)


def test_every_kept_weight_gets_a_gradient_through_every_dimension(supernet: Supernet, space: Space) -> None:
    candidate = space.candidate(space.smallest())
    supernet.zero_grad()
    supernet(X, candidate).square().mean().backward()
    for layer in supernet.layers:
        for name in supernet.weights_of(layer, candidate.get("operator", layer, "dense")):
            gradient = supernet.module.get_parameter(name).grad
            assert gradient is not None and bool(gradient.isfinite().all()) and float(gradient.abs().sum()) > 0, name
    supernet.zero_grad()


def test_features_have_the_channels_that_the_index_says(supernet: Supernet, space: Space) -> None:
    for candidate in candidates(space):
        with torch.no_grad():
            _, features = supernet.forward_with_features(X, candidate)
        for name, feature in zip(supernet.watch, features, strict=True):
            index = supernet.watched_index(name, candidate)
            assert feature.shape[1] == len(index)
            assert torch.equal(index, index.sort().values)


def test_a_separable_operator_starts_as_the_best_rank_one_approximation() -> None:
    torch.manual_seed(0)
    depthwise, pointwise = torch.randn(4, 1, 3, 3), torch.randn(6, 4, 1, 1)
    conv = nn.Conv2d(4, 6, 3, padding=1)
    with torch.no_grad():
        conv.weight.copy_(pointwise * depthwise.transpose(0, 1))
    elastic = ElasticConv2d.from_conv(conv)
    x = torch.randn(2, 4, 8, 8)
    elastic.operator = "separable"
    assert torch.allclose(elastic(x), conv(x), atol=1e-5)


def test_separable_parameters_are_those_of_the_paper() -> None:
    # GAN Compression, table 4: only the residual blocks changed, 1.98 M; 18 convolutions of 256 channels.
    part = SeparableConv2d(256, 256, 3)
    assert sum(p.numel() for p in part.parameters()) == 256 * 9 + 256 + 256 * 256 + 256
    generator = GENERATORS.build("resnet", {}, in_channels=3, out_channels=3)
    dense = sum(p.numel() for p in generator.parameters())
    assert dense - 18 * (256 * 256 * 9 + 256) + 18 * sum(p.numel() for p in part.parameters()) == 1_987_075


def test_filter_pruning_drops_the_least_important_channels(supernet: Supernet) -> None:
    group = supernet.discovery.group("blocks.0.conv1")
    kept = supernet.kept(Candidate({"filter_pruning": {group.name: 0.25}}))[group.name]
    norms = supernet.module.get_parameter("blocks.0.conv1.weight").detach().abs().flatten(1).sum(1)
    dropped = sorted(set(range(group.size)) - set(kept.tolist()))
    assert len(dropped) == group.size // 4
    assert float(norms[dropped].max()) <= float(norms[kept].min())


def test_channels_are_ordered_by_importance(supernet: Supernet) -> None:
    norms = supernet.module.get_parameter("blocks.1.conv1.weight").detach().abs().flatten(1).sum(1)
    assert torch.equal(norms, norms.sort(descending=True).values)


def test_it_pickles_and_gives_the_same(supernet: Supernet, space: Space) -> None:
    candidate = space.candidate(space.smallest())
    again = pickle.loads(pickle.dumps(supernet))
    with torch.no_grad():
        assert torch.equal(again(X, candidate), supernet(X, candidate))


def test_a_discovery_is_read_back_and_converts_the_same(supernet: Supernet, space: Space) -> None:
    discovery = Discovery.from_json(json.loads(json.dumps(supernet.discovery.to_json())))
    assert discovery == supernet.discovery
    again = Supernet.convert(make_generator(), X[:1], decompose=("blocks.*",), watch=("down2", "blocks.1"), discovery=discovery)
    candidate = space.candidate(space.smallest())
    with torch.no_grad():
        assert torch.equal(again(X, candidate), supernet(X, candidate))
    with pytest.raises(CheckpointError, match="discovery"):
        Discovery.from_json({"groups": 1})


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"with": {"head.conv": 8}}, "did you mean 'width'"),
        ({"width": {"down3.conv": 8}}, "down2.conv"),
        ({"width": {"down2.conv": 999}}, "above the group's 64"),
        ({"weight_bits": {"head.conv": 8}, "codebook": {"head.conv": 16}}, "exclude each other"),
        ({"operator": {"head.conv": "separable"}}, "blocks"),
    ],
)
def test_a_candidate_that_does_not_fit_is_refused(supernet: Supernet, choices: dict, message: str) -> None:
    with pytest.raises(CandidateError, match=message):
        supernet.check(Candidate(choices))


def test_conversion_names_what_matches_nothing() -> None:
    with pytest.raises(ConversionError, match=r"block\.\*"):
        Supernet.convert(make_generator(), X[:1], decompose=("block.*",))
    with pytest.raises(ConversionError, match=r"blocks\.9"):
        Supernet.convert(make_generator(), X[:1], watch=("blocks.9",))


def test_the_space_excludes_bits_beside_a_codebook(space: Space) -> None:
    decisions = {decision.name: decision for decision in space.decisions}
    assert decisions["weight_format/tail"].values[0] == "full"
    assert set(decisions["weight_format/tail"].values) == {
        "full", "weight_bits:16", "weight_bits:8", "weight_bits:6", "weight_bits:4", "codebook:256", "codebook:64", "codebook:16",
    }  # fmt: skip
    assert decisions["width/blocks.0.conv1"].values == (64, 48, 32)
    assert "width/blocks.1.conv1" not in decisions
    assert not any(name.startswith("operator/tail") for name in decisions)


def test_full_precision_is_a_choice_only_where_it_was_allowed(supernet: Supernet) -> None:
    dimensions = {"weight_bits": {"choices": {"*": (8, 4)}}, "codebook": {"choices": {"*": ("none", 16)}}}
    space = Space.build(SpaceConfig(stages=STAGES, dimensions=dimensions), supernet)
    assert all(set(one.values) == {"weight_bits:8", "weight_bits:4", "codebook:16"} for one in space.decisions)


def test_a_genotype_and_its_indices_are_the_same_thing(space: Space, supernet: Supernet) -> None:
    rng = random.Random(3)
    for _ in range(20):
        genotype = space.sample(rng)
        assert space.genotype(space.indices(genotype)) == genotype
        candidate = space.candidate(genotype)
        supernet.check(candidate)
        assert Candidate.from_json(candidate.to_json()).hash == candidate.hash
    assert space.candidate(space.largest()).choices == {}


def test_space_problems_are_told_all_at_once(supernet: Supernet) -> None:
    stages = {"stem": ("stom.*",), "rest": ("blocks.*",)}
    with pytest.raises(ConfigError) as failure:
        Space.build(SpaceConfig(stages=stages, dimensions=DIMENSIONS), supernet)
    assert "'stom.*'" in str(failure.value) and "no stage has" in str(failure.value)
    dimensions = {
        "wdth": {"choices": {"*": (8,)}},
        "width": {"choices": {"down2.conv": (12,), "nowhere": (8,)}},
        "weight_bits": {"choices": {"*": (33,)}},
    }
    with pytest.raises(ConfigError) as failure:
        Space.build(SpaceConfig(stages=STAGES, dimensions=dimensions), supernet)
    text = str(failure.value)
    for part in ("'wdth'", "12 channels", "'nowhere'", "33"):
        assert part in text


@pytest.mark.parametrize("value", ["half", [8], True])
def test_what_is_no_width_is_told(supernet: Supernet, value: object) -> None:
    config = SpaceConfig.model_validate({"stages": {"all": ["*"]}, "dimensions": {"width": {"choices": {"*": [8, value]}}}})
    with pytest.raises(ConfigError, match="is not a width"):
        Space.build(config, supernet)


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.last(self.first(x + torch.randn_like(x)))
        return y


def test_a_generator_that_draws_noise_is_converted() -> None:
    assert [group.name for group in Supernet.convert(Noisy(), torch.rand(1, 3, 16, 16)).discovery.groups] == ["first"]
