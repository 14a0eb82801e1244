"""The trial run: right groups pass, wrong ones are refuted."""

from __future__ import annotations

import copy
import random
from dataclasses import replace

import pytest
import torch
from generator_zoo import ZOO
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call

from autogc.supernet.discover import discover
from autogc.supernet.groups import AxisMember, Discovery
from autogc.supernet.slices import Slicer, attributes_following
from autogc.supernet.verify import verify


@pytest.mark.parametrize("name", sorted(ZOO))
def test_groups_that_the_trial_refutes(name: str) -> None:
    torch.manual_seed(0)
    specimen = ZOO[name]
    module = specimen.build()
    before = copy.deepcopy(module.state_dict())
    found = discover(module, specimen.inputs())
    proven = verify(module, specimen.inputs(), found)
    assert {group.name for group in found.groups} - {group.name for group in proven.groups} == set(specimen.refuted)
    assert all(proven.frozen[group] for group in specimen.refuted)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert all(value.dtype == before[key].dtype for key, value in module.state_dict().items())


@pytest.mark.parametrize("name", ["resnet", "resnet_batch", "unet", "super_resolution", "mobile", "dcgan", "shared_weights"])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=3, deadline=None)
def test_any_subset_of_channels_computes_what_the_masked_network_does(name: str, seed: int) -> None:
    """An oracle of its own: the full network, where hooks set each removed channel of every layer's output to zero."""
    torch.manual_seed(seed)
    specimen = ZOO[name]
    module = specimen.build().double().eval()
    inputs = tuple(value.double() for value in specimen.inputs())
    layers = [part for part, child in module.named_modules() if not list(child.children()) and part]
    found = verify(module, inputs, discover(module, inputs, watch=layers))
    draw = random.Random(seed)
    kept = {group.name: torch.tensor(sorted(draw.sample(range(group.size), draw.randint(1, group.size)))) for group in found.groups}
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}

    sliced = Slicer(found).slice(tensors, kept)
    with attributes_following(module, sliced):
        narrow = functional_call(module, sliced, inputs)

    handles = []
    for layer, channels in found.watched.items():
        mask = torch.tensor([channel is None or channel[1] in kept[channel[0]] for channel in channels])
        handles.append(module.get_submodule(layer).register_forward_hook(_mask(mask)))
    masked = module(*inputs)
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(narrow, masked, rtol=1e-9, atol=1e-9)


def _mask(mask: torch.Tensor):  # type: ignore[no-untyped-def]
    def hook(part: object, inputs: object, output: torch.Tensor) -> torch.Tensor:
        return output * mask.reshape(-1, *[1] * (output.ndim - 2)) if len(mask) else output

    return hook


def _tampered(found: Discovery, group: str, tensor: str, change: str) -> Discovery:
    """Return the discovery with one member of one group missing or with its channels in another order."""
    members: list[AxisMember] = []
    for member in found.group(group).members:
        if member.tensor != tensor:
            members.append(member)
        elif change == "reversed":
            members.append(replace(member, positions=member.positions[::-1]))
    wrong = replace(found.group(group), members=tuple(members))
    return replace(found, groups=tuple(wrong if one.name == group else one for one in found.groups))


@pytest.mark.parametrize("change", ["missing", "reversed"])
@pytest.mark.parametrize(
    ("name", "group", "tensor"),
    [
        ("resnet", "down2.conv", "blocks.0.conv2.weight"),
        ("resnet", "stem.conv", "down1.conv.weight"),
        ("resnet_batch", "stem.conv", "stem.norm.running_mean"),
        ("unet", "down1", "up1.weight"),
        ("super_resolution", "up.0", "last.weight"),
        ("channel_norms", "b", "layer.weight"),
        ("self_attention", "query", "key.weight"),
        ("mobile", "pointwise", "grouped.weight"),
    ],
)
def test_a_wrong_group_is_refuted(name: str, group: str, tensor: str, change: str) -> None:
    specimen = ZOO[name]
    module = specimen.build()
    wrong = _tampered(discover(module, specimen.inputs()), group, tensor, change)
    proven = verify(module, specimen.inputs(), wrong)
    assert group in proven.frozen and group not in {one.name for one in proven.groups}


def test_two_groups_that_are_one_are_refuted_only_where_wrong() -> None:
    """Positions of one group handed to another leave the others standing."""
    specimen = ZOO["unet"]
    module = specimen.build()
    found = discover(module, specimen.inputs())
    wrong = _tampered(found, "middle.1", "up2.1.weight", "missing")
    assert {group.name for group in verify(module, specimen.inputs(), wrong).groups} == {"down1", "down2.1", "up2.1"}


def test_watched_channels_of_a_refuted_group_are_fixed() -> None:
    specimen = ZOO["dcgan_literal"]
    module = specimen.build()
    proven = verify(module, specimen.inputs(), discover(module, specimen.inputs(), watch=("norm", "up")))
    assert proven.watched["norm"] == (None,) * 12
    assert proven.watched["up"] == tuple(("up", channel) for channel in range(6))
    assert "raises" in proven.frozen["linear"]


def test_a_group_without_effect_is_not_taken_on_trust() -> None:
    class Dead(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.last = torch.nn.Conv2d(3, 8, 1), torch.nn.Conv2d(8, 6, 1), torch.nn.Conv2d(6, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 0.0 * self.last(self.b(self.a(x)))

    module, inputs = Dead(), (torch.randn(1, 3, 8, 8),)
    proven = verify(module, inputs, discover(module, inputs))
    assert not proven.groups
    assert all("no effect" in reason for reason in proven.frozen.values())
