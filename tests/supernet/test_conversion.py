"""Conversion of modules that do more than call plain layers, and the messages for those that can't be converted."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autogc.cost import CostModel, fvcore_macs, prove
from autogc.errors import CandidateError, ConversionError
from autogc.supernet import Candidate, ElasticConv2d, QuantizedInput, Supernet
from autogc.supernet.parametrizations import fold

X = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Any:
        return self.c(torch.relu(self.b(torch.relu(self.a(x)))))


def draw(supernet: Supernet, seed: int) -> Candidate:
    rng = random.Random(seed)
    return Candidate(
        {
            "width": {group.name: rng.randint(1, group.size) for group in supernet.discovery.groups},
            "operator": {site: "separable" for site in supernet.sites if rng.random() < 0.5},
            "weight_bits": {layer: 5 for layer in supernet.layers if rng.random() < 0.5},
            "activation_bits": {layer: 8 for layer in supernet.quantizable if rng.random() < 0.5},
        }
    )


def hold(module: nn.Module, *, decompose: tuple[str, ...] = ()) -> Supernet:
    """Convert; a few subnets must be what their own modules are, in images, MACs and parameters."""
    supernet = Supernet.convert(module, X, decompose=decompose)
    before = copy.deepcopy(supernet.state_dict())
    with torch.no_grad():
        assert torch.allclose(supernet.eval()(X, Candidate({})), module.eval()(X), atol=1e-5)
    for seed in range(3):
        prove(supernet, CostModel(supernet), draw(supernet, seed), example=X)
    assert all(torch.equal(before[name], value) for name, value in supernet.state_dict().items())
    return supernet


P = nn.utils.parametrizations


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
@pytest.mark.parametrize("normalize", [nn.utils.spectral_norm, P.spectral_norm, nn.utils.weight_norm, P.weight_norm, P.orthogonal])
def test_computed_weights_become_plain_ones_and_the_original_keeps_its_own(normalize: Any) -> None:
    torch.manual_seed(0)
    module = Plain()
    normalize(module.b)
    for _ in range(2):
        module(X).sum().backward()  # leaves a graph on weights that hooks compute, and moves the estimates
    module.eval()
    with torch.no_grad():
        image = module(X)
    names = list(module.state_dict())
    supernet = hold(module)
    assert {group.name: group.size for group in supernet.discovery.groups} == {"a": 16, "b": 16}
    assert list(supernet.fixed["parametrization"]) == ["b.weight"]
    assert {name.removeprefix("b.") for name, _ in supernet.module.named_parameters() if name.startswith("b.")} == {"weight", "bias"}
    with torch.no_grad():
        assert torch.equal(module(X), image) and list(module.state_dict()) == names
    module.train()(X).sum().backward()


def test_folding_leaves_modes_and_modules_without_computed_weights_alone() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.BatchNorm2d(4))
    module[2].eval()
    assert fold(module) == () and [part.training for part in module] == [True, True, False]


class Twice(Plain):
    """One module under two names, one weight in two modules, and a module that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.again = self.b
        self.tied = nn.Conv2d(16, 16, 3, padding=1)
        self.mix = nn.Conv2d(16, 16, 3, padding=1)
        self.tied.weight = self.mix.weight

    def forward(self, x: Tensor) -> Tensor:
        y = self.again(torch.relu(self.b(torch.relu(self.a(x)))))
        y = self.b(torch.relu(self.mix(y)) - torch.tanh(self.tied(y)))
        image: Tensor = self.c(y)
        return image


def test_shared_weights_stay_shared() -> None:
    torch.manual_seed(0)
    supernet = hold(Twice(), decompose=("*",))
    assert supernet.sites == ("a", "b", "c") and set(supernet.holders["tied"]) == {"tied", "mix"}
    assert "shared with mix" in supernet.fixed["operator"]["tied"]
    assert isinstance(supernet.module.get_submodule("b"), ElasticConv2d)
    module = supernet.extract(Candidate({"operator": {"b": "separable"}, "activation_bits": {"b": 8, "tied": 8}}))
    assert module.get_submodule("again") is module.get_submodule("b")
    assert all(isinstance(module.get_submodule(name), QuantizedInput) for name in ("b", "tied", "mix"))
    assert module.get_submodule("tied").weight is module.get_submodule("mix").weight


class TakesWeights(Plain):
    def forward(self, x: Tensor) -> Tensor:
        y = F.conv2d(x, self.a.weight, self.a.bias, padding=1)
        y = y.to(self.b.weight.dtype)  # what is asked of a layer is answered by what stands in its place
        image: Tensor = self.c(torch.relu(self.b(y)))
        return image


def test_layers_whose_weight_is_taken_are_not_replaced() -> None:
    supernet = hold(TakesWeights())
    assert supernet.layers == ("a", "b", "c") and supernet.quantizable == ("b", "c")
    assert "instead of calling" in supernet.fixed["activation bits"]["a"]
    with pytest.raises(CandidateError, match="activation_bits names 'a'"):
        supernet.check(Candidate({"activation_bits": {"a": 8}}))
    with pytest.raises(ConversionError, match="takes its weight instead of calling it"):
        Supernet.convert(TakesWeights(), X, decompose=("a",))


class OwnConv(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (1, 1, 1, 1), mode="reflect"))


def test_a_subclass_of_a_layer_is_searched_but_not_decomposed() -> None:
    module = Plain()
    module.b = OwnConv(16, 16, 3)
    supernet = hold(module, decompose=("*",))
    assert supernet.sites == ("a", "c") and "OwnConv may do more" in supernet.fixed["operator"]["b"]
    assert "b" in supernet.quantizable


class Attention(nn.Module):
    """What has no weight of its own to be multiplied with: products of activations, in four spellings."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.first, self.last = nn.Conv2d(3, 16, 4, 4), nn.ConvTranspose2d(16, 3, 4, 4)
        self.q, self.k, self.v, self.o = nn.Conv2d(16, 32, 1), nn.Conv2d(16, 32, 1), nn.Conv2d(16, 32, 1), nn.Conv2d(32, 16, 1)
        self.whole = nn.MultiheadAttention(16, 2, batch_first=True)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.tokens = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        flat = y.flatten(2)
        if self.kind == "einsum":
            q, k, v = (part(y).reshape(len(x), 4, -1, flat.shape[2]) for part in (self.q, self.k, self.v))
            weights = torch.einsum("bhdi,bhdj->bhij", q, k).softmax(-1)
            y = y + self.o(torch.einsum("bhij,bhdj->bhdi", weights, v).reshape(len(x), -1, *y.shape[2:]))
        elif self.kind == "sdpa":
            q, k, v = (part(y).reshape(len(x), 4, -1, flat.shape[2]).transpose(2, 3) for part in (self.q, self.k, self.v))
            y = y + self.o(F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(len(x), -1, *y.shape[2:]))
        elif self.kind == "multihead":
            tokens = flat.transpose(1, 2)
            y = y + self.whole(tokens, tokens, tokens)[0].transpose(1, 2).reshape(y.shape)
        elif self.kind == "transformer":
            y = self.layer(flat.transpose(1, 2)).transpose(1, 2).reshape(y.shape)
        else:  # a linear layer over positions, once for each channel
            y = (flat + self.tokens(flat)).view(y.shape)
        image: Tensor = self.last(y)
        return image


@pytest.mark.parametrize(
    ("kind", "groups", "products"),
    [("einsum", {"first", "q", "v"}, 2), ("sdpa", {"first", "v"}, 2), ("multihead", set(), 2), ("transformer", {"layer.linear1"}, 2)],
)
def test_attention_counts_and_what_of_it_can_shrink_does(kind: str, groups: set[str], products: int) -> None:
    torch.manual_seed(0)
    supernet = hold(Attention(kind))
    assert {group.name for group in supernet.discovery.groups} == groups
    assert len(supernet.discovery.products) == products
    if kind == "multihead":
        assert any("embed_dim" in reason or "whole queries" in reason for reason in supernet.fixed["channels"].values())


def test_rows_that_are_channels_count_with_them() -> None:
    supernet = hold(Attention("mixer"))
    (product,) = supernet.discovery.products
    assert ("first", 1) in [part for length in product.factors for part in length.parts]
    half = Candidate({"width": {"first": 8}})
    assert CostModel(supernet).costs(half)["macs"] == fvcore_macs(supernet.extract(half), X)


class Averaging(Plain):
    """Keeps a running mean of its own, and a constant beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(16))
        self.register_buffer("scale", torch.full((16,), 0.5))

    def forward(self, x: Tensor) -> Any:
        y = self.a(x)
        if self.training:
            self.mean.lerp_(y.mean((0, 2, 3)).detach(), 0.1)
        return self.c(self.b((y - self.mean[:, None, None]) * self.scale[:, None, None]))


def test_statistics_that_nothing_calibrates_are_told() -> None:
    supernet = Supernet.convert(Averaging().eval(), X)
    assert list(supernet.fixed["statistics"]) == ["mean"] and not supernet.has_statistics
    assert not supernet.module.training and not supernet.module.get_buffer("mean").any()


class Branches(Plain):
    def forward(self, x: Tensor) -> Any:
        y = self.a(x)
        if y.mean() > 0:
            y = self.b(y)
        return self.c(y)


class ThroughNumpy(Plain):
    def forward(self, x: Tensor) -> Any:
        return self.c(self.b(torch.from_numpy(np.tanh(self.a(x).detach().numpy()))))


class Pair(Plain):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x), x


class TwoInputs(Plain):
    def forward(self, x: Tensor, label: Tensor) -> Any:
        return super().forward(x + label)


class Scripted(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.b = torch.jit.script(nn.Sequential(nn.Conv2d(16, 16, 3, padding=1)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Branches, r"depends on the values of a tensor.*test_conversion\.py, line \d+: if y\.mean\(\) > 0"),
        (ThroughNumpy, "outside of PyTorch"),
        (Pair, "returns a tuple"),
        (TwoInputs, "missing 1 required positional argument: 'label'"),
        (Scripted, "'b' is compiled by TorchScript"),
    ],
)
def test_what_can_not_be_traced_is_told(kind: type[nn.Module], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        Supernet.convert(kind(), X)


class OwnGradient(Plain):
    """Runs an operator that no count knows."""

    def forward(self, x: Tensor) -> Any:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.a(leaf).sum(), leaf)
        return super().forward(x + gradient)


def test_a_subnet_that_can_not_be_its_own_module_is_told_before_anything_is_trained() -> None:
    supernet = Supernet.convert(OwnGradient(), X)
    with pytest.raises(ConversionError, match="a module of its own"):
        prove(supernet, CostModel(supernet), Candidate({}), example=X)
