"""What every registered generator and discriminator must do, whatever it is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from autogc.errors import ConfigError
from autogc.models import DISCRIMINATORS, GENERATORS

# Arguments that make each one small; a model without an entry is built with its defaults.
SMALL: dict[str, dict[str, object]] = {"resnet": {"base_channels": 8, "blocks": 2}, "patchgan": {"base_channels": 8}}
CHANNELS = [(3, 3), (1, 3), (5, 2)]


def _generator(name: str, inputs: int, outputs: int) -> nn.Module:
    torch.manual_seed(0)
    return GENERATORS.build(name, SMALL.get(name, {}), in_channels=inputs, out_channels=outputs)


def _discriminator(name: str, inputs: int) -> nn.Module:
    torch.manual_seed(0)
    return DISCRIMINATORS.build(name, SMALL.get(name, {}), in_channels=inputs)


def _assert_every_parameter_learns(module: nn.Module, output: torch.Tensor) -> None:
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"


@pytest.mark.parametrize("name", sorted(GENERATORS))
@pytest.mark.parametrize(("inputs", "outputs"), CHANNELS)
@pytest.mark.parametrize("training", [True, False])
def test_a_generator_maps_images_to_images(name: str, inputs: int, outputs: int, training: bool) -> None:
    module = _generator(name, inputs, outputs).train(training)
    images = torch.rand(2, inputs, 64, 64) * 2 - 1
    made = module(images)
    assert made.shape == (2, outputs, 64, 64)
    assert made.isfinite().all()
    assert made.abs().max() <= 1
    assert made.std() > 0
    _assert_every_parameter_learns(module, made)


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_a_generator_in_evaluation_treats_each_image_by_itself(name: str) -> None:
    module = _generator(name, 3, 3).eval()
    images = torch.rand(3, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(module(images)[1:2], module(images[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_the_output_depends_on_the_input(name: str) -> None:
    module = _generator(name, 3, 3).eval()
    with torch.no_grad():
        first, second = module(torch.rand(1, 3, 64, 64)), module(torch.rand(1, 3, 64, 64))
    assert (first - second).abs().max() > 1e-4


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_a_generator_is_the_same_from_the_same_seed_and_loads_its_own_weights(name: str) -> None:
    first, second = _generator(name, 3, 3), _generator(name, 3, 3)
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.add_(1)
    second.load_state_dict(first.state_dict())
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(first.eval()(images), second.eval()(images))


@pytest.mark.parametrize("name", sorted(DISCRIMINATORS))
@pytest.mark.parametrize("inputs", [3, 6])
def test_a_discriminator_gives_finite_logits_and_learns(name: str, inputs: int) -> None:
    module = _discriminator(name, inputs)
    logits = module(torch.rand(2, inputs, 64, 64) * 2 - 1)
    assert logits.shape[0] == 2
    assert logits.isfinite().all()
    _assert_every_parameter_learns(module, logits)


@pytest.mark.parametrize("registry", [GENERATORS, DISCRIMINATORS], ids=["generators", "discriminators"])
def test_wrong_arguments_are_named(registry) -> None:  # type: ignore[no-untyped-def]
    for name in registry:
        given = {"in_channels": 3, "out_channels": 3} if registry is GENERATORS else {"in_channels": 3}
        with pytest.raises(ConfigError, match="base_chanels"):
            registry.build(name, {"base_chanels": 8}, **given)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_the_resnet_generator_has_the_published_size(norm: str) -> None:
    module = GENERATORS.build("resnet", {"norm": norm}, in_channels=3, out_channels=3)
    c = 64
    convolutions = (
        3 * c * 49 + c * 2 * c * 9 + 2 * c * 4 * c * 9 + 18 * (4 * c) ** 2 * 9 + 4 * c * 2 * c * 9 + 2 * c * c * 9 + c * 3 * 49 + 3
    )
    channels = 2 * (c + 2 * c) + 4 * c + 18 * 4 * c  # of all layers but the head
    assert sum(value.numel() for value in module.parameters()) == convolutions + (channels if norm == "instance" else 2 * channels)
    if norm == "instance":
        assert convolutions + channels == 11_378_179


def test_an_unknown_norm_is_an_error() -> None:
    with pytest.raises(ConfigError, match="norm must be one of batch, instance"):
        GENERATORS.build("resnet", {"norm": "layer"}, in_channels=3, out_channels=3)


def test_a_patchgan_of_three_layers_sees_patches_of_70() -> None:
    module = _discriminator("patchgan", 3).double().eval()
    for part in module.modules():
        if isinstance(part, nn.InstanceNorm2d):
            part.register_forward_hook(lambda part, inputs, output: inputs[0])  # normalisation sees the whole picture
    images = torch.rand(1, 3, 128, 128, dtype=torch.float64, requires_grad=True)
    logits = module(images)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert images.grad is not None
    seen = images.grad[0].abs().sum(0) > 0
    assert (int(seen.any(0).sum()), int(seen.any(1).sum())) == (70, 70)
