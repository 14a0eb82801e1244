"""What releases of the same network differ in: wrappers, prefixes, old buffers, missing counters, spectral normalisation's tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from published_networks import (
    Leftthomas,
    Lornatang,
    Resnet,
    Spade,
    SpectralConv,
    Unet,
    batch,
    filled,
    instance,
    patchgan,
    resnet,
    stargan_generator,
)
from torch import Tensor, nn

from autogc.errors import CheckpointError
from autogc.models import DISCRIMINATORS, GENERATORS
from autogc.models.published import translate
from autogc.training.weights import load_weights

State = dict[str, Tensor]


class Notes:
    def __init__(self) -> None:
        self.text = ""

    def start(self, task: str, *, total: int, done: int = 0) -> None: ...

    def update(self, done: int, **figures: float) -> None: ...

    def note(self, text: str) -> None:
        self.text += text + "\n"


def generator(name: str, inputs: int = 3, **args: Any) -> nn.Module:
    return GENERATORS.build(name, {"base_channels": 4, **args}, in_channels=inputs, out_channels=3).eval()


def save(path: Path, content: Any) -> Path:
    torch.save(content, path / "latest_net_G.pth")
    return path / "latest_net_G.pth"


def assert_same(ours: nn.Module, network: nn.Module, x: Tensor, *, seen: Tensor | None = None) -> None:
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(x), network(x if seen is None else seen), rtol=1e-4, atol=1e-4)


def picture(side: int = 32) -> Tensor:
    return torch.rand(1, 3, side, side) * 2 - 1


WRAPPED: dict[str, Callable[[State], Any]] = {
    "state_dict": lambda state: {"epoch": 200, "state_dict": state},
    "model": lambda state: {"iteration": 5, "model": state, "optimizer": {"lr": 0.1}},
    "average first": lambda state: {"state_dict": {name: tensor * 0 for name, tensor in state.items()}, "ema_state_dict": state},
    "parallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "compiled and parallel": lambda state: {"state_dict": {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()}},
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_wrappers_and_prefixes_are_removed_and_said(wrapper: str, tmp_path: Path) -> None:
    network, ours, notes = filled(resnet(4, 2)), generator("resnet", blocks=2), Notes()
    load_weights(ours, save(tmp_path, WRAPPED[wrapper](network.state_dict())), what="the generator", progress=notes)
    assert_same(ours, network, picture())
    assert ("'module.'" in notes.text) == ("parallel" in wrapper)


def test_our_own_names_behind_a_prefix_load_too(tmp_path: Path) -> None:
    source, target = generator("resnet", blocks=1), generator("resnet", blocks=1)
    load_weights(target, save(tmp_path, WRAPPED["parallel"](source.state_dict())), what="the generator")
    assert_same(target, source, picture())


def with_old_buffers(state: State, places: dict[str, int]) -> State:
    """As PyTorch 0.3 saved instance normalisation; the counter is 0.4's."""
    old = dict(state)
    for place, channels in places.items():
        old[f"{place}.running_mean"] = torch.randn(channels)
        old[f"{place}.running_var"] = torch.rand(channels) + 0.5
        old[f"{place}.num_batches_tracked"] = torch.tensor(7)
    return old


def old_resnet(*, dropout: bool) -> tuple[nn.Module, State, list[str]]:
    network = filled(resnet(4, 2, dropout=dropout))
    second = 7 if dropout else 6
    places = {"model.2": 4, "model.5": 8, "model.8": 16, "model.13": 8, "model.16": 4}
    places |= {f"model.{block}.conv_block.{number}": 16 for block in (10, 11) for number in (2, second)}
    return network, with_old_buffers(network.state_dict(), places), list(places)


@pytest.mark.parametrize("dropout", [False, True])
def test_old_instance_norm_buffers_are_left_out_and_every_one_is_named(dropout: bool, tmp_path: Path) -> None:
    network, state, places = old_resnet(dropout=dropout)
    ours, notes = generator("resnet", blocks=2), Notes()
    load_weights(ours, save(tmp_path, state), what="the generator", progress=notes)
    assert_same(ours, network, picture())
    left_out = next(line for line in notes.text.splitlines() if "left out" in line)
    assert "(running_mean, running_var, num_batches_tracked)" in left_out
    assert all(place in left_out.replace(" (", ", ").split(", ") or f" {place}," in left_out for place in places)


def test_old_instance_norm_buffers_are_used_where_the_generator_does(tmp_path: Path) -> None:
    network, state, places = old_resnet(dropout=False)
    for place in places:  # The published network, told to use its statistics.
        norm = network.get_submodule(place)
        tracked = nn.BatchNorm2d(norm.num_features, affine=False)
        tracked.load_state_dict({name.rpartition(".")[2]: state[name] for name in state if name.startswith(f"{place}.")})
        network.set_submodule(place, tracked)
    ours, notes = generator("resnet", blocks=2, norm="instance_tracked"), Notes()
    load_weights(ours, save(tmp_path, state), what="the generator", progress=notes)
    assert_same(ours, network.eval(), picture())
    assert "left out" not in notes.text


def test_a_patchgan_with_old_buffers(tmp_path: Path) -> None:
    network = filled(patchgan(6, 4, instance))
    state = with_old_buffers(network.state_dict(), {"model.3": 8, "model.6": 16, "model.9": 32})
    ours, notes = DISCRIMINATORS.build("patchgan", {"base_channels": 4}, in_channels=6), Notes()
    load_weights(ours, save(tmp_path, state), what="the discriminator", progress=notes)
    assert_same(ours, network, torch.rand(1, 6, 64, 64))
    assert "model.3, model.6, model.9 (running_mean" in notes.text


def test_counters_that_old_releases_did_not_save_are_added(tmp_path: Path) -> None:
    network, ours, notes = filled(Unet(2, 5)), generator("unet", base_channels=2, downs=5), Notes()
    state = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    load_weights(ours, save(tmp_path, state), what="the generator", progress=notes)
    assert_same(ours, network, picture(64))
    assert "added counters that PyTorch before 0.4.1 did not save, as 0: " in notes.text and "ups.3.norm" in notes.text


def spectral_releases(network: nn.Module) -> dict[str, State]:
    """The same network as four releases of PyTorch saved it."""
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    convolutions = {name: part for name, part in network.named_modules() if isinstance(part, SpectralConv)}
    effective = {f"{name}.weight": part.effective().detach() for name, part in convolutions.items()}
    without_right = {name: tensor for name, tensor in state.items() if not name.endswith("weight_v")}
    parametrised = {
        name.replace("weight_orig", "parametrizations.weight.original")
        .replace("weight_u", "parametrizations.weight.0._u")
        .replace("weight_v", "parametrizations.weight.0._v"): tensor
        for name, tensor in state.items()
    }
    folded = {name: tensor for name, tensor in without_right.items() if not name.endswith(("weight_orig", "weight_u"))} | effective
    return {
        "1.1": state,
        "1.0": without_right,
        "0.4": without_right | effective,
        "parametrised": parametrised,
        "folded": folded,
    }


@pytest.mark.parametrize("release", ["1.1", "1.0", "0.4", "parametrised", "folded"])
@pytest.mark.parametrize("spectral_norm", [True, False])
def test_every_form_of_spectral_normalisation(release: str, spectral_norm: bool, tmp_path: Path) -> None:
    network = filled(Spade(5, 2))
    for part in network.modules():
        if isinstance(part, SpectralConv):
            part.settle()
            if release == "1.0":  # Without the right vector and the weight, one step of the power iteration says what it was.
                part.weight_v.copy_(nn.functional.normalize(part.weight_orig.flatten(1).T @ part.weight_u, dim=0).detach())
    ours = generator("spade", 5, base_channels=2, hidden_channels=8, spectral_norm=spectral_norm)
    path, notes = save(tmp_path, spectral_releases(network)[release]), Notes()
    if release == "folded" and spectral_norm:
        with pytest.raises(CheckpointError, match="no spectral normalisation: set spectral_norm: false"):
            load_weights(ours, path, what="the generator")
        return
    load_weights(ours, path, what="the generator", progress=notes)
    labels = (torch.rand(1, 5, 64, 64) > 0.5).float()
    assert_same(ours, network, labels * 2 - 1, seen=labels)
    assert ("folded into the weights" in notes.text) == (release != "folded" and not spectral_norm)
    assert ("(weight)" in notes.text) == (release == "0.4")


def test_bookkeeping_of_synchronised_batch_norm_is_left_out(tmp_path: Path) -> None:
    network, notes = filled(Spade(5, 2, spectral=False)), Notes()
    state = network.state_dict() | {"head_0.norm_0.param_free_norm._running_iter": torch.ones(1)}
    ours = generator("spade", 5, base_channels=2, hidden_channels=8, spectral_norm=False)
    load_weights(ours, save(tmp_path, state), what="the generator", progress=notes)
    assert "head_0.norm_0.param_free_norm (_running_iter)" in notes.text


def test_a_supernet_is_read_by_its_first_channels(tmp_path: Path) -> None:
    supernet = filled(resnet(8, 9, dropout=True, separable=True))
    widths = [4, 12, 16, *[16] * 3, *[24] * 3, *[8] * 3, 8, 8]
    subnet = Resnet(widths, dropout=True, separable=True).eval()
    whole = supernet.state_dict()
    sliced = {name: whole[name][tuple(slice(size) for size in tensor.shape)] for name, tensor in subnet.state_dict().items()}
    subnet.load_state_dict(sliced)
    ours, notes = generator("mobile_resnet", base_channels=8, config_str="4_6_4_4_6_2_4_8"), Notes()
    load_weights(ours, save(tmp_path, whole), what="the generator", progress=notes)
    assert_same(ours, subnet, picture())
    assert "the subnet 4_6_4_4_6_2_4_8 of a supernet" in notes.text and "stem.conv" in notes.text


REFUSED: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], str]] = {
    "blocks": (lambda: resnet(4, 6), {"name": "resnet", "blocks": 9}, r"base_channels 4, .*blocks 6, norm instance.*lacks blocks\.6\."),
    "width": (
        lambda: resnet(8, 2),
        {"name": "resnet", "blocks": 2},
        r"base_channels 8, .*other shapes: stem\.conv\.weight is \(8, 3, 7, 7\)",
    ),
    "norm": (lambda: resnet(4, 2, batch), {"name": "resnet", "blocks": 2}, r"norm batch: it also holds model\.2\.weight"),
    "dense": (lambda: resnet(4, 9), {"name": "mobile_resnet"}, r"\(resnet\), numbered without dropout"),
    "decomposed": (lambda: resnet(4, 9, separable=True, dropout=True), {"name": "resnet"}, r"mobile_resnet, decompose: \[blocks\]"),
    "zeros": (lambda: resnet(4, 2, padded=False), {"name": "resnet", "blocks": 2}, r"conv_block\.0\): they pad with zeros"),
    "subnet": (
        lambda: Resnet([4, 12, 16, *[24, 16, 16] * 3, 8, 8], dropout=True, separable=True),
        {"name": "mobile_resnet"},
        r'config_str "4_6_4_6_6_6_4_8", legacy_config true: .*other shapes',
    ),
    "legacy": (
        lambda: Resnet([4, 12, 16, *[24] * 9, 8, 8], dropout=True, separable=True),
        {"name": "mobile_resnet", "base_channels": 8, "config_str": "4_6_4_6_4_8", "legacy_config": True},
        r'config_str "4_6_4_6_6_6_4_8": other shapes: blocks\.1',
    ),
    "irregular": (
        lambda: Resnet([4, 12, 16, 8, 12, 8, *[16] * 6, 8, 8], dropout=True, separable=True),
        {"name": "mobile_resnet"},
        r"channels \[4, 12, 16, 8, 12, 8, 16, .*, 8, 8\]",
    ),
    "levels": (lambda: Unet(2, 7), {"name": "unet", "base_channels": 2}, r"pix2pix's U-Net generator with .*downs 7, norm batch"),
    "leftthomas linear": (
        lambda: Leftthomas(4, 2),
        {"name": "srresnet", "blocks": 5, "output": "linear"},
        r"set generator\.args\.output: tanh",
    ),
    "lornatang tanh": (lambda: Lornatang(4, 2, prefix="conv"), {"name": "srresnet", "blocks": 2}, r"set generator\.args\.output: linear"),
    "around an enlargement": (
        lambda: Lornatang(4, 2, prefix="conv"),
        {"name": "srresnet", "blocks": 2, "output": "linear", "residual": "bicubic"},
        r"set generator\.args\.residual: none",
    ),
    "leftthomas early": (lambda: Leftthomas(4, 2, early=True), {"name": "srresnet", "blocks": 5}, "block7 ends in a PReLU"),
    "another family": (lambda: Unet(2, 5), {"name": "resnet"}, r"are not those of the ResNet generator of CycleGAN"),
    "no family": (lambda: resnet(4, 2), {"name": "srresnet"}, r"are not those of the SRResNet of leftthomas/SRGAN"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_does_not_fit_is_refused_with_what_the_file_holds(reason: str, tmp_path: Path) -> None:
    network, args, message = REFUSED[reason]
    ours = generator(**args)
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    with pytest.raises(CheckpointError, match=message) as caught:
        load_weights(ours, save(tmp_path, network().state_dict()), what="the generator")
    assert str(tmp_path) in str(caught.value) and "the generator" in str(caught.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in ours.state_dict().items())


def test_a_spade_that_starts_from_a_style_vector_is_refused(tmp_path: Path) -> None:
    state = Spade(5, 2).state_dict() | {"fc.weight": torch.zeros(32, 256)}
    with pytest.raises(CheckpointError, match="use_vae"):
        load_weights(generator("spade", 5, base_channels=2, hidden_channels=8), save(tmp_path, state), what="the generator")


@pytest.mark.parametrize("lost", ["main.3.weight", "main.4.weight", "main.9.main.0.weight"])
def test_a_file_that_lacks_a_tensor_is_refused(lost: str, tmp_path: Path) -> None:
    state = stargan_generator(2, 4, 2).state_dict()
    del state[lost]
    with pytest.raises(CheckpointError, match=r"it lacks (down1|blocks\.0)"):
        load_weights(generator("stargan", 5, blocks=2), save(tmp_path, state), what="the generator")


def test_whole_networks_are_not_unpickled(tmp_path: Path) -> None:
    torch.save({"epoch": 1, "model": resnet(4, 2)}, tmp_path / "whole.pth")
    with pytest.raises(CheckpointError, match=r"published_networks\.Resnet.*save the network's state_dict"):
        load_weights(generator("resnet", blocks=2), tmp_path / "whole.pth", what="the generator")


def test_an_unknown_kind_of_module_needs_its_own_names() -> None:
    with pytest.raises(CheckpointError, match="no published layout is known for Linear"):
        translate({"model.1.weight": torch.zeros(1)}, nn.Linear(1, 1))
