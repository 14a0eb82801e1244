"""Training where a step's candidate leaves out parts: their parameters get no gradient in that step."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_experiment import OPTIMIZATION, make_experiment
from torch import Tensor, nn

from autogc.config.experiment import Experiment, Optimization
from autogc.supernet import Candidate, Supernet
from autogc.training import finetune, load_supernet, train_supernet, train_teacher
from autogc.training.engine import Engine
from autogc.training.schedule import rate_factor
from autogc.training.stage import build_data

CPU = torch.device("cpu")
STEPS = 6
STACK = (("blocks.0",), (), ("blocks.0", "blocks.1"), ("blocks.1",), (), ("blocks.0",))  # what is left out, step by step


class Student(nn.Module):
    """A supernet as training has it, of residual blocks."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)

        class Block(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv = nn.Conv2d(8, 8, 3, padding=1)

            def forward(self, x: Tensor) -> Tensor:
                return x + torch.relu(self.conv(x))  # type: ignore[no-any-return]

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.head, self.blocks = nn.Conv2d(3, 8, 3, padding=1), nn.Sequential(Block(), Block())
                self.tail = nn.Conv2d(8, 3, 3, padding=1)

            def forward(self, x: Tensor) -> Tensor:
                return self.tail(self.blocks(self.head(x)))  # type: ignore[no-any-return]

        self.supernet = Supernet.convert(Net(), torch.zeros(1, 3, 8, 8), skip=("blocks.*",), verify=False).requires_grad_(True)

    def forward(self, x: Tensor, candidate: Candidate) -> Tensor:
        return self.supernet(x, candidate)


def candidate_of(step: int) -> Candidate:
    return Candidate({"depth": dict.fromkeys(STACK[step], "skip")})


def inputs(step: int) -> Tensor:
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))


def config(**deepspeed: Any) -> Optimization:
    return Optimization(steps=STEPS, batch_size=4, learning_rate=0.01, constant_fraction=0.4, deepspeed=deepspeed)


@contextmanager
def engine(**deepspeed: Any) -> Iterator[Engine]:
    made = Engine(Student(), config(**deepspeed), device=CPU)
    try:
        yield made
    finally:
        made.close()


def train(made: Engine, steps: range) -> None:
    for step in steps:
        for part in inputs(step).chunk(made.accumulation):
            made.descend(made(part, candidate_of(step)).float().square().mean(), step=step)


def trained_plainly() -> dict[str, Tensor]:
    """Without DeepSpeed: a parameter that a step does not use has a gradient of zero, so that its moments fade."""
    student = Student().train()
    optimizer = torch.optim.Adam(student.parameters(), lr=0.01, betas=(0.5, 0.999))
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * rate_factor(config(), step)
        optimizer.zero_grad()
        student(inputs(step), candidate_of(step)).square().mean().backward()
        for parameter in student.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        optimizer.step()
    return student.state_dict()


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_what_a_step_leaves_out_has_a_gradient_of_zero_in_it(stage: int) -> None:
    expected = trained_plainly()
    with engine(zero_optimization={"stage": stage}) as made:
        train(made, range(STEPS))
        for name, tensor in made.tensors().items():
            torch.testing.assert_close(tensor, expected[name], rtol=1e-6, atol=1e-7, msg=name)


@pytest.mark.parametrize("deepspeed", [{"zero_optimization": {"stage": 0}}, {"zero_optimization": {"stage": 2}}], ids=["0", "2"])
def test_a_resumed_engine_continues_bit_for_bit(deepspeed: dict[str, Any]) -> None:
    with engine(**deepspeed) as whole:
        train(whole, range(1))  # blocks.0 has had no gradient yet
        tensors, data = whole.state()
        train(whole, range(1, STEPS))
        with engine(**deepspeed) as resumed:
            resumed.load_state(tensors, data)
            train(resumed, range(1, STEPS))
            expected, found = whole.state()[0], resumed.state()[0]
    assert set(expected) == set(found)
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def shallow_experiment() -> Experiment:
    return make_experiment(
        generator={"name": "resnet", "args": {"base_channels": 8, "blocks": 2}},
        losses={"distillation_layers": ["down2", "blocks.1"], "reconstruction_weight": 10.0},
        supernet={**OPTIMIZATION, "skip": ["blocks.*"], "sampling": "sandwich", "accept_trivial": True},
        space={
            "stages": {"all": ["*"]},
            "dimensions": {
                "depth": {"choices": {"*": [1.0, 1, 0]}},
                "width": {"choices": {"*": [1.0, 0.5]}},
                "weight_bits": {"choices": {"*": [32, 8]}},
            },
        },
    )


def test_a_supernet_of_depths_is_trained_loaded_exported_and_fine_tuned(tmp_path: Path) -> None:
    from autogc.cost import CostModel
    from autogc.export import load_package, verify_package, write_package
    from autogc.models import completed
    from autogc.training.stage import example_input

    experiment = shallow_experiment()
    data = build_data(experiment)
    train_teacher(experiment, tmp_path / "teacher")
    train_supernet(experiment, tmp_path / "teacher", tmp_path / "supernet")
    supernet = load_supernet(experiment, data, tmp_path / "supernet")
    assert list(supernet.units) == ["blocks.0", "blocks.1"]
    candidate = Candidate({"depth": {"blocks.1": "skip"}, "width": {"down2.conv": 16}, "weight_bits": {"head.conv": 8}})
    example = example_input(data)
    write_package(
        tmp_path / "export",
        supernet=supernet,
        candidate=candidate,
        generator=completed(experiment.generator, in_channels=data.input_channels, out_channels=data.target_channels),
        input_shape=tuple(example.shape),
        costs=CostModel(supernet).costs(candidate),
        scores={},
        experiment={},
        provenance={},
    )
    verify_package(tmp_path / "export", example, supernet=supernet)
    finetune(
        experiment,
        tmp_path / "teacher",
        tmp_path / "export",
        tmp_path / "finetune",
        discriminator=tmp_path / "supernet" / "discriminator.safetensors",
    )
    package = load_package(tmp_path / "finetune")
    assert package.candidate == candidate and isinstance(package.module.get_submodule("blocks.1"), nn.Identity)
    weights = load_file(tmp_path / "supernet" / "supernet.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values() if tensor.is_floating_point())
