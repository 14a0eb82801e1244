"""The DeepSpeed engine against PyTorch alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autogc.config.experiment import Optimization
from autogc.errors import ConfigError
from autogc.training.engine import Engine
from autogc.training.schedule import rate_factor

CPU = torch.device("cpu")
STEPS = 5


def build(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    # A batch norm for its buffers; a parameter that never gets a gradient, as a supernet's separable operators at times.
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3))
    module.register_parameter("unused", nn.Parameter(torch.ones(5)))
    return module


def inputs(step: int, batch: int = 4) -> Tensor:
    return torch.randn(batch, 3, 8, 8, generator=torch.Generator().manual_seed(step))


def config(**deepspeed: Any) -> Optimization:
    return Optimization(steps=STEPS, batch_size=4, learning_rate=0.01, constant_fraction=0.4, deepspeed=deepspeed)


@contextmanager
def engine(module: nn.Module, **deepspeed: Any) -> Iterator[Engine]:
    made = Engine(module, config(**deepspeed), device=CPU)
    try:
        yield made
    finally:
        made.close()


def train(made: Engine, steps: range) -> None:
    for step in steps:
        for part in inputs(step).chunk(made.accumulation):
            made.descend(made(part).float().square().mean(), step=step)


def train_plainly(module: nn.Module, clip: float | None = None) -> nn.Module:
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01, betas=(0.5, 0.999))
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * rate_factor(config(), step)
        optimizer.zero_grad()
        module(inputs(step)).square().mean().backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(module.parameters(), clip)
        optimizer.step()
    return module


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_training_is_that_of_plain_pytorch(stage: int) -> None:
    expected = train_plainly(build()).state_dict()
    with engine(build(), zero_optimization={"stage": stage}) as made:
        train(made, range(STEPS))
        for name, tensor in made.tensors().items():
            assert torch.equal(tensor, expected[name].float() if expected[name].is_floating_point() else expected[name]), name


def test_clipping_is_only_what_the_user_asks_for() -> None:
    expected = train_plainly(build(), clip=1e-3).state_dict()
    with engine(build(), gradient_clipping=1e-3) as made:
        train(made, range(STEPS))
        torch.testing.assert_close(made.tensors()["0.weight"], expected["0.weight"], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_accumulated_parts_are_one_batch(stage: int) -> None:
    def without_batch_norm() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 3))

    with (
        engine(without_batch_norm()) as whole,
        engine(without_batch_norm(), gradient_accumulation_steps=2, zero_optimization={"stage": stage}) as parts,
    ):
        train(whole, range(STEPS))
        train(parts, range(STEPS))
        for name, tensor in whole.tensors().items():
            torch.testing.assert_close(parts.tensors()[name], tensor)


@pytest.mark.parametrize(
    "deepspeed",
    [
        {"zero_optimization": {"stage": 0}},
        {"zero_optimization": {"stage": 1}},
        {"zero_optimization": {"stage": 2}},
        {"bf16": {"enabled": True}},
        {"scheduler": {"type": "WarmupLR", "params": {"warmup_num_steps": 4, "warmup_max_lr": 0.02}}},
        {"optimizer": {"type": "AdamW", "params": {"weight_decay": 0.1, "torch_adam": True}}},
    ],
    ids=str,
)
def test_a_resumed_engine_continues_bit_for_bit(deepspeed: dict[str, Any]) -> None:
    with engine(build(), **deepspeed) as whole:
        train(whole, range(3))
        tensors, data = whole.state()
        train(whole, range(3, STEPS))
        with engine(build(seed=1), **deepspeed) as resumed:
            resumed.load_state(tensors, data)
            train(resumed, range(3, STEPS))
            expected, found = whole.state()[0], resumed.state()[0]
    assert set(expected) == set(found)
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def test_a_state_of_one_zero_stage_continues_under_another() -> None:
    with engine(build(), zero_optimization={"stage": 0}) as first, engine(build(1), zero_optimization={"stage": 2}) as second:
        train(first, range(3))
        second.load_state(*first.state())
        train(first, range(3, STEPS))
        train(second, range(3, STEPS))
        for name, tensor in first.tensors().items():
            assert torch.equal(second.tensors()[name], tensor), name


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_fixed_pass_gives_the_input_its_gradient_and_the_parameters_none(stage: int) -> None:
    critic = nn.Conv2d(3, 1, 3)
    with engine(critic, zero_optimization={"stage": stage}) as made:
        x = inputs(0).requires_grad_()
        with made.fixed() as module:
            found = module(x)
        found.mean().backward()
        assert x.grad is not None and x.grad.abs().sum() > 0
        assert critic.weight.grad is None and critic.weight.requires_grad


@pytest.mark.parametrize("deepspeed", [{"bf16": {"enabled": True}}, {"torch_autocast": {"enabled": True, "dtype": "bfloat16"}}], ids=str)
def test_reduced_precision_stays_near_float32(deepspeed: dict[str, Any]) -> None:
    expected = train_plainly(build()).state_dict()
    with engine(build(), **deepspeed) as made:
        train(made, range(STEPS))
        found = made.tensors()["0.weight"]
    assert found.dtype == torch.float32
    assert 0 < float((found - expected["0.weight"]).abs().max()) < 0.03


def test_nothing_reaches_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    with engine(build()) as made:
        train(made, range(STEPS))
    assert capfd.readouterr().out == ""


def test_muon_resumes_to_the_bit() -> None:
    settings = config().model_copy(update={"optimizer": "muon"})
    whole, first, second = (Engine(build(), settings, device=CPU) for _ in range(3))
    train(whole, range(STEPS))
    train(first, range(2))
    tensors, data = first.state()
    second.load_state(tensors, data)
    train(second, range(2, STEPS))
    for (name, one), other in zip(whole.tensors().items(), second.tensors().values(), strict=True):
        assert torch.equal(one, other), name
    for made in (whole, first, second):
        made.close()


@pytest.mark.parametrize("deepspeed", [{"zero_optimization": {"stage": 1}}, {"bf16": {"enabled": True}}, {"optimizer": {"type": "Adam"}}])
def test_muon_refuses_what_takes_matrices_apart(deepspeed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="muon"):
        Engine(build(), config(**deepspeed).model_copy(update={"optimizer": "muon"}), device=CPU)
