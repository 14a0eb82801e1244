"""Intermediate features and the learned maps between a student's and a teacher's."""

import pytest
import torch
from torch import nn

from autogc.errors import ConfigError
from autogc.training.features import FeatureAdapters, feature_channels, run_with_features


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(4, 6, 3), nn.Tanh()), nn.Flatten())


def test_features_come_in_the_order_asked_for_and_hooks_go() -> None:
    module, x = net(), torch.randn(2, 3, 8, 8)
    image, (later, earlier) = run_with_features(module, x, ("1.1", "0"))
    assert torch.equal(earlier, module[0](x)) and torch.equal(later, module[1](earlier)) and torch.equal(image, module(x))
    assert not any(part._forward_hooks for part in module.modules())


def test_a_layer_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no module '1\.2': did you mean '1\.[01]'"):
        run_with_features(net(), torch.zeros(1, 3, 8, 8), ("1.2",))


def test_channels_of_maps_only() -> None:
    module = net().train()
    assert feature_channels(module, torch.zeros(1, 3, 8, 8), ("0", "1")) == [4, 6]
    assert module.training
    with pytest.raises(ConfigError, match=r"'2' gives shape \(1, 96\)"):
        feature_channels(module, torch.zeros(1, 3, 8, 8), ("2",))


def test_maps_are_1x1_convolutions_of_the_kept_channels() -> None:
    torch.manual_seed(0)
    adapters, feature, kept = FeatureAdapters([4], [5]), torch.randn(2, 2, 3, 3), torch.tensor([1, 3])
    (mapped,) = adapters([feature], [kept])
    weight, bias = adapters.maps[0].weight[:, :, 0, 0], adapters.maps[0].bias
    torch.testing.assert_close(mapped, torch.einsum("oc,nchw->nohw", weight[:, [1, 3]], feature) + bias[:, None, None])


def test_narrowed_maps_do_the_same_on_a_narrow_student() -> None:
    torch.manual_seed(0)
    adapters, kept = FeatureAdapters([4, 3], [5, 5]), [torch.tensor([1, 3]), torch.tensor([0, 1, 2])]
    features = [torch.randn(1, 2, 3, 3), torch.randn(1, 3, 3, 3)]
    narrow = adapters.narrowed(kept)
    assert [one.in_channels for one in narrow.maps] == [2, 3]
    for mine, full in zip(narrow(features), adapters(features, kept), strict=True):
        torch.testing.assert_close(mine, full)


def test_matched_maps_undo_a_permutation() -> None:
    teacher = torch.randn(2, 6, 3, 3, generator=torch.Generator().manual_seed(0))
    student = teacher[:, torch.tensor([3, 0, 5, 1, 4, 2])] + 1e-6
    adapters = FeatureAdapters([6], [6])
    adapters.match([student], [teacher])
    torch.testing.assert_close(adapters([student])[0], teacher)
