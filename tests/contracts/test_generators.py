"""What every registered generator and discriminator must do, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autogc.errors import ConfigError
from autogc.losses import gradient_penalty
from autogc.models import DISCRIMINATORS, GENERATORS, as_verdict


def picture(n: int, channels: int, side: int) -> Tensor:
    return torch.rand(n, channels, side, side) * 2 - 1


def label_map(n: int, channels: int, side: int) -> Tensor:
    """One class for each pixel, one-hot in {-1, 1}, the classes in patches."""
    classes = torch.randint(channels, (n, 1, side // 4, side // 4)).repeat_interleave(4, 2).repeat_interleave(4, 3)
    return torch.zeros(n, channels, side, side).scatter_(1, classes, 1) * 2 - 1


def noise(n: int, channels: int, side: int) -> Tensor:
    return torch.randn(n, channels, 1, 1)


def picture_with_domains(n: int, channels: int, side: int) -> Tensor:
    """A picture of three channels and a map of 0 or 1 for each domain."""
    wanted = torch.randint(2, (n, channels - 3, 1, 1)).float().expand(-1, -1, side, side)
    return torch.cat([picture(n, 3, side), wanted], dim=1)


@dataclass(frozen=True)
class Family:
    """What makes a generator small, what it is fed with, by how much its output is larger than ``side``, whether it stays in [-1, 1]."""

    args: dict[str, Any]
    feed: Callable[[int, int, int], Tensor] = picture
    channels: tuple[tuple[int, int], ...] = ((3, 3), (1, 3), (5, 2))
    side: int = 64
    scale: int = 1
    bounded: bool = True


# Every registered generator has a row; one family may have several, for what its arguments change.
GENERATOR_FAMILIES: dict[str, list[Family]] = {
    "dcgan": [
        Family({"base_channels": 8}, feed=noise, channels=((10, 3), (7, 1))),
        Family({"base_channels": 4, "size": 32}, feed=noise, channels=((5, 1),), side=32),
        Family({"base_channels": 4, "size": 128}, feed=noise, channels=((5, 3),), side=128),
    ],
    "mobile_resnet": [
        Family({"base_channels": 8, "blocks": 2}),
        Family({"base_channels": 8, "blocks": 1, "decompose": ["stem", "down", "up", "head"]}, channels=((3, 3),)),
    ],
    "mobile_spade": [Family({"base_channels": 4}, feed=label_map, channels=((5, 3),))],
    "resnet": [
        Family({"base_channels": 8, "blocks": 2}),
        *[
            Family({"base_channels": 8, "blocks": 1, "norm": norm, "dropout": 0.5}, channels=((3, 3),))
            for norm in ("batch", "instance_tracked", "none")
        ],
    ],
    "spade": [
        Family({"base_channels": 4, "hidden_channels": 8}, feed=label_map, channels=((5, 3), (12, 1))),
        Family({"base_channels": 4, "hidden_channels": 8, "norm": "instance", "spectral_norm": False}, feed=label_map, channels=((5, 3),)),
        Family({"base_channels": 4, "hidden_channels": 8, "upsampling": "more"}, feed=label_map, channels=((5, 3),), side=128),
        Family({"base_channels": 4, "hidden_channels": 8, "upsampling": "most"}, feed=label_map, channels=((5, 3),), side=256),
    ],
    "srresnet": [
        Family({"base_channels": 8, "blocks": 2}, channels=((3, 3), (1, 1)), side=16, scale=4),
        Family({"base_channels": 8, "blocks": 1, "scale": 2}, channels=((3, 3),), side=16, scale=2),
        Family({"base_channels": 8, "blocks": 1, "scale": 8}, channels=((3, 3),), side=8, scale=8),
        Family({"base_channels": 8, "blocks": 1, "norm": "none"}, channels=((3, 3),), side=16, scale=4),
        Family(
            {"base_channels": 8, "blocks": 1, "norm": "none", "output": "linear", "residual": "bicubic"},
            channels=((3, 3),),
            side=16,
            scale=4,
            bounded=False,
        ),
    ],
    "stargan": [Family({"base_channels": 8, "blocks": 2}, feed=picture_with_domains, channels=((8, 3), (5, 1)))],
    "unet": [
        Family({"base_channels": 8, "downs": 6}),
        Family({"base_channels": 4, "downs": 7, "norm": "instance"}, channels=((3, 3),), side=128),
        Family({"base_channels": 4, "downs": 8}, channels=((3, 3),), side=256),
    ],
}


@dataclass(frozen=True)
class Critic:
    """What makes a discriminator small; ``sides`` are the heights and widths that it must take once built for 64 x 64."""

    args: dict[str, Any]
    sides: tuple[tuple[int, int], ...] = field(default=((64, 64), (32, 48)))


CRITICS: dict[str, list[Critic]] = {
    "dcgan": [Critic({"base_channels": 8}, sides=((64, 64),))],
    "multi_scale": [
        Critic({"base_channels": 8}),
        Critic({"base_channels": 8, "scales": 3, "layers": 2, "norm": "none"}),
        Critic({"base_channels": 8, "norm": "batch", "spectral_norm": False}),
    ],
    "patchgan": [
        Critic({"base_channels": 8}),
        Critic({"base_channels": 8, "norm": "batch"}),
        Critic({"base_channels": 8, "norm": "none", "spectral_norm": True}),
    ],
    "pixel": [Critic({"base_channels": 8}), Critic({"base_channels": 8, "norm": "batch"})],
    "srgan": [Critic({"base_channels": 8}), Critic({"base_channels": 8, "head": "dense"}, sides=((64, 64),))],
    "stargan": [Critic({"base_channels": 8, "layers": 4}, sides=((64, 64),))],
}
OFFERED = {"height": 64, "width": 64, "domains": 3}

GENERATOR_ROWS = [
    pytest.param(name, family, inputs, outputs, id=f"{name}-{index}-{inputs}to{outputs}")
    for name, families in GENERATOR_FAMILIES.items()
    for index, family in enumerate(families)
    for inputs, outputs in family.channels
]
CRITIC_ROWS = [
    pytest.param(name, critic, id=f"{name}-{index}") for name, critics in CRITICS.items() for index, critic in enumerate(critics)
]
each_generator = pytest.mark.parametrize(("name", "family", "inputs", "outputs"), GENERATOR_ROWS)
each_critic = pytest.mark.parametrize(("name", "critic"), CRITIC_ROWS)


def test_nothing_registered_is_left_out() -> None:
    assert sorted(GENERATOR_FAMILIES) == sorted(GENERATORS)
    assert sorted(CRITICS) == sorted(DISCRIMINATORS)


def _generator(name: str, family: Family, inputs: int, outputs: int) -> nn.Module:
    torch.manual_seed(0)
    side = family.side * family.scale
    offered = {"height": side, "width": side}
    return GENERATORS.build(name, family.args, offered=offered, in_channels=inputs, out_channels=outputs)


def _critic(name: str, critic: Critic, inputs: int) -> nn.Module:
    torch.manual_seed(0)
    return DISCRIMINATORS.build(name, critic.args, offered=OFFERED, in_channels=inputs)


def _assert_every_parameter_learns(module: nn.Module) -> None:
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
        if parameter.ndim > 1:  # A bias before a normalisation rightly has none.
            assert parameter.grad.abs().max() > 0, f"the gradient of {name} is zero"


@each_generator
@pytest.mark.parametrize("training", [True, False])
def test_a_generator_makes_images_and_all_of_it_learns(name: str, family: Family, inputs: int, outputs: int, training: bool) -> None:
    module = _generator(name, family, inputs, outputs).train(training)
    made = module(family.feed(2, inputs, family.side))
    side = family.side * family.scale
    assert made.shape == (2, outputs, side, side)
    assert made.isfinite().all()
    assert not family.bounded or made.abs().max() <= 1
    assert made.std() > 0
    (made * torch.randn_like(made)).sum().backward()
    _assert_every_parameter_learns(module)


@each_generator
def test_a_generator_in_evaluation_treats_each_image_by_itself(name: str, family: Family, inputs: int, outputs: int) -> None:
    module = _generator(name, family, inputs, outputs)
    with torch.no_grad():
        module(family.feed(4, inputs, family.side))  # Running statistics, where there are some, become those of this batch.
        module.eval()
        given = family.feed(3, inputs, family.side)
        torch.testing.assert_close(module(given)[1:2], module(given[1:2]), rtol=1e-4, atol=1e-5)


@each_generator
def test_the_output_depends_on_the_input(name: str, family: Family, inputs: int, outputs: int) -> None:
    module = _generator(name, family, inputs, outputs).eval()
    with torch.no_grad():
        first, second = module(family.feed(1, inputs, family.side)), module(family.feed(1, inputs, family.side))
    # Of fresh weights from N(0, 0.02), unnormalised, little comes out: compare with what does.
    assert (first - second).abs().max() > 0.01 * first.abs().max()


@each_generator
def test_a_generator_is_the_same_from_the_same_seed_and_loads_its_own_weights(name: str, family: Family, inputs: int, outputs: int) -> None:
    first, second = _generator(name, family, inputs, outputs), _generator(name, family, inputs, outputs)
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.add_(1)
    second.load_state_dict(first.state_dict())
    given = family.feed(1, inputs, family.side)
    with torch.no_grad():
        assert torch.equal(first.eval()(given), second.eval()(given))


@each_generator
def test_a_generator_leaves_its_input_alone(name: str, family: Family, inputs: int, outputs: int) -> None:
    given = family.feed(2, inputs, family.side)
    before = given.clone()
    with torch.no_grad():
        _generator(name, family, inputs, outputs)(given)
    assert torch.equal(given, before)


def _sum(module: nn.Module, images: Tensor) -> Tensor:
    """A random combination of all that a discriminator says of images."""
    verdict = as_verdict(module(images))
    parts = [*verdict.logits] + ([] if verdict.classes is None else [verdict.classes])
    return torch.stack([(part * torch.randn_like(part)).sum() for part in parts]).sum()


@each_critic
@pytest.mark.parametrize("inputs", [3, 6])
def test_a_discriminator_gives_a_finite_verdict_and_learns(name: str, critic: Critic, inputs: int) -> None:
    module = _critic(name, critic, inputs)
    for height, width in critic.sides:
        verdict = as_verdict(module(torch.rand(2, inputs, height, width) * 2 - 1))
        assert verdict.logits
        assert all(part.shape[0] == 2 and part.isfinite().all() for part in verdict.logits)
        assert not verdict.features or len(verdict.features) == len(verdict.logits)
        assert all(part.shape[0] == 2 and part.ndim == 4 and part.isfinite().all() for scale in verdict.features for part in scale)
        if verdict.classes is not None:
            assert verdict.classes.shape == (2, OFFERED["domains"]) and verdict.classes.isfinite().all()
    _sum(module, picture(2, inputs, 64)).backward()
    _assert_every_parameter_learns(module)


@each_critic
def test_a_discriminator_hands_gradients_to_the_images(name: str, critic: Critic) -> None:
    images = picture(2, 3, 64).requires_grad_()
    _sum(_critic(name, critic, 3), images).backward()
    assert images.grad is not None and images.grad.isfinite().all()
    assert (images.grad.abs().amax((1, 2, 3)) > 0).all()


@each_critic
def test_a_discriminator_can_be_trained_with_a_gradient_penalty(name: str, critic: Critic) -> None:
    module = _critic(name, critic, 3)
    penalty = gradient_penalty(
        lambda x: torch.cat([part.flatten(1) for part in as_verdict(module(x)).logits], dim=1), picture(2, 3, 64), picture(2, 3, 64)
    )
    penalty.backward()
    found = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in found)
    assert any(gradient.abs().max() > 0 for gradient in found)


@each_critic
def test_a_discriminator_is_the_same_from_the_same_seed(name: str, critic: Critic) -> None:
    first, second = _critic(name, critic, 3), _critic(name, critic, 3)
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())


@pytest.mark.parametrize("registry", [GENERATORS, DISCRIMINATORS], ids=["generators", "discriminators"])
def test_wrong_arguments_are_named(registry) -> None:  # type: ignore[no-untyped-def]
    for name in registry:
        given = {"in_channels": 3, "out_channels": 3} if registry is GENERATORS else {"in_channels": 3}
        with pytest.raises(ConfigError, match="base_chanels"):
            registry.build(name, {"base_chanels": 8}, offered=OFFERED, **given)


@pytest.mark.parametrize("registry", [GENERATORS, DISCRIMINATORS], ids=["generators", "discriminators"])
def test_every_choice_refuses_another_and_says_which_there_are(registry) -> None:  # type: ignore[no-untyped-def]
    found = set()
    for name in registry:
        given = {"in_channels": 3, "out_channels": 3} if registry is GENERATORS else {"in_channels": 3}
        for argument in ("norm", "upsampling", "output", "head", "decompose"):
            if not registry.problems(name, {argument: "wrong"}, given=tuple(given), offered=tuple(OFFERED)):
                found.add(argument)
                with pytest.raises(ConfigError, match=r"must be one of|valid:|did you mean"):
                    registry.build(name, {argument: "wrong"}, offered=OFFERED | {"height": 64}, **given)
    assert found == ({"norm", "upsampling", "output", "decompose"} if registry is GENERATORS else {"norm", "head"})
