"""Slicing tensors by kept channels, and attributes that follow."""

from __future__ import annotations

import time
import warnings

import pytest
import torch
from generator_zoo import ZOO
from torch import nn
from torch.func import functional_call

from autogc.errors import CandidateError
from autogc.models import GENERATORS
from autogc.supernet.discover import discover
from autogc.supernet.groups import AxisMember, ChannelGroup, Discovery
from autogc.supernet.slices import Slicer, attributes_following, slice_tensors


def _two_groups() -> Discovery:
    """Axis 0 of ``w`` holds: fixed, a0, b0, a1, b1, fixed, a2, b2; axis 1 holds a, twice each."""
    first = ChannelGroup("a", 3, (AxisMember("w", 0, ((1,), (3,), (6,))), AxisMember("w", 1, ((0, 3), (1, 4), (2, 5)))), ("a",))
    second = ChannelGroup("b", 3, (AxisMember("w", 0, ((2,), (4,), (7,))),), ("b",))
    return Discovery(groups=(first, second), uses=())


def test_fixed_indices_and_several_groups_on_an_axis() -> None:
    w = torch.arange(48.0).reshape(8, 6)
    found = slice_tensors({"w": w, "other": w}, _two_groups(), {"a": torch.tensor([0, 2]), "b": torch.tensor([1])})
    assert torch.equal(found["w"], w[[0, 1, 4, 5, 6]][:, [0, 2, 3, 5]])
    assert found["other"] is w


def test_what_is_not_named_stays_whole() -> None:
    w = torch.arange(48.0).reshape(8, 6)
    slicer = Slicer(_two_groups())
    assert slicer.slice({"w": w}, {})["w"] is w
    assert torch.equal(slicer.slice({"w": w}, {"b": torch.tensor([0, 1, 2])})["w"], w)
    assert slicer.slice({"w": w}, {"a": torch.tensor([1])})["w"].shape == (6, 2)


def test_a_contiguous_run_is_a_view_and_gradients_reach_the_kept_channels_only() -> None:
    module = ZOO["resnet"].build()
    found = discover(module, ZOO["resnet"].inputs())
    tensors = dict(module.named_parameters())
    prefix = slice_tensors(tensors, found, {"stem.conv": torch.arange(3)})["stem.conv.weight"]
    assert prefix.shape == (3, 3, 7, 7)
    assert prefix.data_ptr() == tensors["stem.conv.weight"].data_ptr()
    scattered = slice_tensors(tensors, found, {"stem.conv": torch.tensor([1, 4])})["down1.conv.weight"]
    scattered.sum().backward()
    grad = tensors["down1.conv.weight"].grad
    assert grad is not None
    touched = torch.zeros(8, dtype=torch.bool)
    touched[[1, 4]] = True
    assert torch.equal(grad[:, touched], torch.ones_like(grad[:, touched])) and not grad[:, ~touched].any()


@pytest.mark.parametrize("channels", [[], [3], [-1, 0], [1, 0], [1, 1]])
def test_impossible_channels_are_an_error(channels: list[int]) -> None:
    with pytest.raises(CandidateError, match="group 'a' must be 1 to 3 ascending"):
        slice_tensors({"w": torch.zeros(8, 6)}, _two_groups(), {"a": torch.tensor(channels, dtype=torch.int64)})


def test_an_unknown_group_is_an_error() -> None:
    with pytest.raises(CandidateError, match="no channel group named 'c'"):
        slice_tensors({"w": torch.zeros(8, 6)}, _two_groups(), {"c": torch.tensor([0])})


@pytest.mark.parametrize("name", sorted(ZOO))
def test_attributes_are_restored_even_when_the_call_raises(name: str) -> None:
    specimen = ZOO[name]
    module = specimen.build()
    found = discover(module, specimen.inputs())
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    sliced = slice_tensors(tensors, found, {group.name: torch.arange((group.size + 1) // 2) for group in found.groups})
    before = _attributes(module)
    with pytest.raises(ZeroDivisionError), attributes_following(module, sliced):
        if name == "mobile":
            assert module.get_submodule("depthwise").groups == 4
            assert module.get_submodule("grouped").groups == 3
            assert module.get_submodule("grouped").in_channels == 6
        raise ZeroDivisionError
    assert _attributes(module) == before


def _attributes(module: nn.Module) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, part in module.named_modules():
        found.update({f"{name}.{key}": value for key, value in vars(part).items() if isinstance(value, (int, tuple, str))})
        found[f"{name} hooks"] = len(part._forward_pre_hooks)
    return found


def test_norms_without_parameters_follow_their_input_without_a_warning() -> None:
    class Norms(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 1)
            self.instance, self.group = nn.InstanceNorm2d(8), nn.GroupNorm(8, 8, affine=False)
            self.layer = nn.LayerNorm(8, elementwise_affine=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.group(self.instance(self.conv(x)))
            return self.last(self.layer(y.movedim(1, 3)).movedim(3, 1))

    module = Norms()
    found = discover(module, (torch.randn(1, 3, 8, 8),))
    sliced = slice_tensors(dict(module.named_parameters()), found, {"conv": torch.tensor([0, 2, 5])})
    with warnings.catch_warnings(), attributes_following(module, sliced):
        warnings.simplefilter("error")
        assert functional_call(module, sliced, (torch.randn(2, 3, 8, 8),)).shape == (2, 3, 8, 8)
        assert module.instance.num_features == 3
    assert (module.instance.num_features, module.group.num_groups, module.layer.normalized_shape) == (8, 8, (8,))


def test_slicing_a_candidate_costs_little_beside_running_it() -> None:
    module = GENERATORS.build("resnet", {"base_channels": 16, "blocks": 9}, in_channels=3, out_channels=3)
    found = discover(module, (torch.randn(1, 3, 32, 32),))
    slicer, tensors = Slicer(found), dict(module.named_parameters())
    kept = {group.name: torch.arange(group.size // 2) for group in found.groups}
    slicer.slice(tensors, kept)
    start = time.process_time()
    for _ in range(20):
        slicer.slice(tensors, kept)
    assert (time.process_time() - start) / 20 < 0.010  # seconds; plain Python took 16 to 195 ms
