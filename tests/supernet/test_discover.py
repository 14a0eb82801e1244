"""Channel groups: what is found on the reference generator and on a zoo of patterns."""

from __future__ import annotations

import copy
import time
from math import prod

import pytest
import torch
from generator_zoo import ZOO
from torch import nn

from autogc.cost import fvcore_macs
from autogc.errors import ConversionError
from autogc.models import GENERATORS
from autogc.supernet.discover import discover


@pytest.mark.parametrize("name", sorted(ZOO))
def test_groups_of(name: str) -> None:
    specimen = ZOO[name]
    found = discover(specimen.build(), specimen.inputs())
    assert {group.name: group.size for group in found.groups} == specimen.groups


@pytest.mark.parametrize("name", sorted(ZOO))
def test_uses_and_products_give_the_multiplications_that_fvcore_counts(name: str) -> None:
    specimen = ZOO[name]
    module, inputs = specimen.build(), specimen.inputs()
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    found = discover(module, inputs)
    kept = {group.name: group.size for group in found.groups}
    counted = sum(use.positions * tensors[use.tensor].numel() for use in found.uses)
    counted += sum(one.positions * prod(length.of(kept) for length in one.factors) for one in found.products)
    assert counted == fvcore_macs(module, inputs)


@pytest.mark.parametrize("name", sorted(ZOO))
def test_the_module_is_left_as_it_was(name: str) -> None:
    specimen = ZOO[name]
    module = specimen.build().train()
    before = copy.deepcopy(module.state_dict())
    discover(module, specimen.inputs())
    after = module.state_dict()
    assert all(type(value) in (torch.Tensor, nn.Parameter) and torch.equal(value, before[key]) for key, value in after.items())
    assert all(part.training and not part._forward_hooks for part in module.modules())


def test_the_reference_generator_has_fourteen_groups() -> None:
    module = GENERATORS.build("resnet", {"base_channels": 64, "blocks": 9}, in_channels=3, out_channels=3)
    discover(GENERATORS.build("resnet", {"base_channels": 4, "blocks": 1}, in_channels=3, out_channels=3), (torch.randn(1, 3, 16, 16),))
    start = time.process_time()
    found = discover(module, (torch.randn(1, 3, 256, 256),), watch=("blocks.3", "blocks.5.relu", "head.tanh"))
    assert time.process_time() - start < 5

    blocks = [f"blocks.{index}" for index in range(9)]
    sizes = {"stem.conv": 64, "down1.conv": 128, "down2.conv": 256, **{f"{b}.conv1": 256 for b in blocks}, "up1.conv": 128, "up2.conv": 64}
    assert {group.name: group.size for group in found.groups} == sizes
    assert [group.name for group in found.groups] == list(sizes), "in execution order"
    trunk = found.group("down2.conv")
    assert trunk.producers == ("down2.conv", *[f"{block}.conv2" for block in blocks])
    assert {(member.tensor, member.axis) for member in trunk.members} == {
        ("down2.conv.weight", 0),
        ("down2.conv.bias", 0),
        *[(f"{block}.conv1.weight", 1) for block in blocks],
        *[(f"{block}.conv2.weight", 0) for block in blocks],
        *[(f"{block}.conv2.bias", 0) for block in blocks],
        ("up1.conv.weight", 0),
    }
    assert all(member.positions == tuple((channel,) for channel in range(256)) for member in trunk.members)
    assert not found.frozen and not found.notes

    numel = {name: value.numel() for name, value in module.named_parameters()}
    assert sum(use.positions * numel[use.tensor] for use in found.uses) == 49_551_507_456
    assert sum(use.published_positions * numel[use.tensor] for use in found.uses) == 56_799_264_768
    assert sum(numel.values()) == 11_378_179

    assert found.watched["blocks.3"] == tuple(("down2.conv", channel) for channel in range(256))
    assert found.watched["blocks.5.relu"] == tuple(("blocks.5.conv1", channel) for channel in range(256))
    assert found.watched["head.tanh"] == (None, None, None)


def test_batch_normalisation_statistics_are_members() -> None:
    specimen = ZOO["resnet_batch"]
    group = discover(specimen.build(), specimen.inputs()).group("stem.conv")
    names = {"stem.norm.weight", "stem.norm.bias", "stem.norm.running_mean", "stem.norm.running_var"}
    assert {member.tensor for member in group.members} == {"stem.conv.weight", "down1.conv.weight"} | names


def test_positions_behind_a_pixel_shuffle_a_flatten_and_a_concatenation() -> None:
    upscale = discover(ZOO["super_resolution"].build(), ZOO["super_resolution"].inputs()).group("up.0")
    positions = {(member.tensor, member.axis): member.positions for member in upscale.members}
    assert positions["up.0.weight", 0] == tuple(tuple(range(4 * channel, 4 * channel + 4)) for channel in range(6))
    assert positions["last.weight", 1] == tuple((channel,) for channel in range(6))

    code = discover(ZOO["flattening"].build(), ZOO["flattening"].inputs()).group("conv")
    positions = {(member.tensor, member.axis): member.positions for member in code.members}
    assert positions["code.weight", 1] == tuple(tuple(range(16 * channel, 16 * channel + 16)) for channel in range(6))

    unet = discover(ZOO["unet"].build(), ZOO["unet"].inputs())
    positions = {(member.tensor, member.axis): member.positions for member in unet.group("down1").members}
    assert positions["up1.weight", 0] == tuple((8 + channel,) for channel in range(6)), "behind the 8 of up2"


def test_a_class_of_a_grouped_convolution_is_one_channel_of_every_group() -> None:
    found = discover(ZOO["mobile"].build(), ZOO["mobile"].inputs())
    pointwise = {(member.tensor, member.axis): member.positions for member in found.group("pointwise").members}
    assert pointwise["pointwise.weight", 0] == tuple((channel, channel + 4, channel + 8) for channel in range(4))
    assert pointwise["grouped.weight", 1] == tuple((channel,) for channel in range(4))
    assert all(group.multiple == 1 for group in found.groups)


def test_a_weight_that_is_used_twice_counts_twice() -> None:
    found = discover(ZOO["shared_weights"].build(), ZOO["shared_weights"].inputs())
    positions = {use.tensor: use.positions for use in found.uses}
    assert positions == {"stem.weight": 256, "shared.weight": 2 * 256, "one.weight": 2 * 256, "last.weight": 256}


def test_an_operator_without_a_rule_freezes_what_it_touches_and_says_so() -> None:
    found = discover(ZOO["sorted"].build(), ZOO["sorted"].inputs())
    assert set(found.frozen) == {"a.weight:0", "a.bias:0"}
    assert all("aten.sort" in reason and "no rule" in reason for reason in found.frozen.values())


def test_a_constant_tensor_fixes_the_channels_that_it_meets_and_says_so() -> None:
    class Whitened(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.last = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 3, 1)
            self.scale = torch.rand(1, 6, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.a(x) * self.scale)

    found = discover(Whitened(), (torch.randn(1, 3, 8, 8),))
    assert not found.groups
    assert "neither a parameter nor a buffer" in found.frozen["a.weight:0"]


def test_channels_that_are_averaged_over_are_noted() -> None:
    found = discover(ZOO["channel_norms"].build(), ZOO["channel_norms"].inputs())
    assert set(found.notes) == {"a", "b", "c"}
    assert "native_layer_norm in layer" in found.notes["b"]


def test_the_batch_of_the_example_does_not_matter() -> None:
    module = ZOO["resnet"].build()
    assert discover(module, (torch.randn(4, 3, 16, 16),)) == discover(module, (torch.randn(1, 3, 16, 16),))


def test_watching_what_is_not_there_is_an_error() -> None:
    with pytest.raises(ConversionError, match=r"blocks\.7.*did you mean"):
        discover(ZOO["resnet"].build(), ZOO["resnet"].inputs(), watch=("blocks.7",))


def test_a_module_that_does_not_run_is_an_error() -> None:
    with pytest.raises(ConversionError, match="can't be traced"):
        discover(ZOO["resnet"].build(), (torch.randn(1, 5, 16, 16),))
