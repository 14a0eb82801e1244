"""The classifier and the network of rotations that autogc trains itself: they learn, and are a function of their seed."""

from __future__ import annotations

import kinds
import pytest
import torch

from autogc.errors import ConfigError, DivergenceError
from autogc.metrics import FEATURE_NETWORKS
from autogc.metrics.pixels import bicubic
from autogc.progress import Silent


def fitted(name, data, *, seed=0, **arguments):
    made = FEATURE_NETWORKS.build(name, {"steps": 6, "batch_size": 6, "width": 4} | arguments, data=data, seed=seed)
    made.fit(data, seed=seed, device=torch.device("cpu"), progress=Silent())
    return made


def test_the_classifier_tells_the_domains():
    data = kinds.domains()
    network = fitted("dataset_classifier", data, steps=40)
    batch = data.validation.batch()
    with torch.inference_mode():
        _, probabilities = network.features_and_probabilities(batch.target)
    assert network.classifies
    assert float((probabilities.argmax(1) == batch.domains.argmax(1)).float().mean()) >= 0.9


def test_attributes_that_go_together_are_told_one_by_one():
    data = kinds.domains(exclusive=False)
    network = fitted("dataset_classifier", data, steps=60)
    batch = data.validation.batch()
    with torch.inference_mode():
        right = (network(batch.target) > 0) == (batch.domains > 0)
    assert not network.classifies
    assert float(right.float().mean()) > 0.85


def test_rotations_and_sides_are_told():
    data = kinds.unpaired()
    network = fitted("dataset_rotations", data, steps=60, patch=32)
    real = data.validation.batch()
    with torch.inference_mode():
        turned = [network(real.target.rot90(turn, (2, 3)))[0].argmax(1) == turn for turn in range(4)]
        sides = torch.cat([network(real.input)[1].argmax(1) == 0, network(real.target)[1].argmax(1) == 1])
    assert float(torch.cat(turned).float().mean()) > 0.6  # a quarter by chance
    assert float(sides.float().mean()) >= 0.9


def test_a_low_resolution_is_a_side_of_its_own():
    data = kinds.super_resolution()
    network = fitted("dataset_rotations", data, steps=150, patch=16)
    real = [data.validation.batch([index]) for index in range(10)]
    with torch.inference_mode():
        sharp = [int(network(one.target)[1].argmax()) for one in real]
        blurred = [int(network(bicubic(one.input, one.target.shape[-2:]))[1].argmax()) for one in real]
    assert sum(sharp) - sum(blurred) >= 8


def test_pictures_alone_have_no_sides():
    network = fitted("dataset_rotations", kinds.noise_to_grey(), patch=16)
    assert network.side is None and "inputs from targets" not in network.label


@pytest.mark.parametrize(
    ("name", "data"), [("dataset_classifier", kinds.domains), ("dataset_rotations", kinds.unpaired)], ids=["classifier", "rotations"]
)
def test_the_seed_decides_every_bit_and_nothing_else_does(name, data):
    first = fitted(name, data())
    torch.manual_seed(12345)
    expected = torch.rand(3)
    torch.manual_seed(12345)
    assert fitted(name, data()).weights_hash == first.weights_hash
    assert torch.equal(torch.rand(3), expected)
    assert fitted(name, data(), seed=1).weights_hash != first.weights_hash


@pytest.mark.parametrize("name", ["dataset_classifier", "dataset_rotations"])
@pytest.mark.parametrize("size", [(32, 40), (17, 23)])
def test_any_size_of_picture(name, size):
    network = FEATURE_NETWORKS.build(name, {"width": 4}, data=kinds.domains(), seed=0)
    assert network.features(torch.rand(2, 3, *size) * 2 - 1).shape == (2, 7 * 4)


def test_what_cannot_be_learned_is_said():
    with pytest.raises(ConfigError, match="learns from domains"):
        fitted("dataset_classifier", kinds.unpaired())
    with pytest.raises(ConfigError, match="patch must be at least 16"):
        fitted("dataset_rotations", kinds.unpaired(), patch=4)
    with pytest.raises(ConfigError) as caught:
        fitted("dataset_rotations", kinds.unpaired(), steps=0, width=-1)
    assert len(caught.value.problems) == 2
    with pytest.raises(DivergenceError, match="lower its learning_rate"):
        fitted("dataset_rotations", kinds.unpaired(), learning_rate=1e30)
