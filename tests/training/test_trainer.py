"""One step of the GAN against the same written out in PyTorch."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autogc.config.experiment import LossWeights, Optimization
from autogc.data import Batch
from autogc.training.engine import Engine
from autogc.training.tasks import Objective
from autogc.training.tasks.paired import PairedObjective
from autogc.training.trainer import CriticSide, GanTrainer, GeneratorSide

CPU = torch.device("cpu")
LOSSES = LossWeights(adversarial_weight=0.7, reconstruction_weight=3.0, distillation_weight=0.5)


OBJECTIVE = PairedObjective(LOSSES, SimpleNamespace())


class Student(GeneratorSide):
    """Two shapes in one: a candidate is the factor on its output. Its feature is its input, mapped."""

    def __init__(self, objective: Objective = OBJECTIVE) -> None:
        super().__init__(objective)
        self.conv = nn.Conv2d(2, 3, 3, padding=1)
        self.map = nn.Conv2d(2, 4, 1)

    def run(self, x: Tensor, candidate: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self.conv(x) * candidate, (self.map(x),)


def networks() -> tuple[Student, nn.Module]:
    torch.manual_seed(0)
    return Student(), nn.Sequential(nn.Conv2d(5, 4, 3), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 3))


def batch(step: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    x, target = torch.randn(4, 2, 8, 8, generator=generator), torch.randn(4, 3, 8, 8, generator=generator)
    return Batch(input=x, target=target, labels=None, names=[])


def teacher(x: Tensor) -> tuple[Tensor, list[Tensor]]:
    return torch.cat([x, x[:, :1]], dim=1), [torch.cat([x, x], dim=1).sin()]


def choose(step: int) -> tuple[float, ...]:
    return (1.0, 0.5 + step)


def run(deepspeed: dict[str, Any], steps: int = 3) -> tuple[list[dict[str, float]], dict[str, Tensor], dict[str, Tensor]]:
    student, critic = networks()
    config = Optimization(steps=10, batch_size=4, learning_rate=0.01, deepspeed=deepspeed)
    engines = Engine(student, config, device=CPU), Engine(CriticSide(critic, OBJECTIVE), config, device=CPU)
    trainer = GanTrainer(*engines, objective=OBJECTIVE, choose=choose, teacher=teacher)
    figures = [{name: float(value) for name, value in trainer.step(batch(step), step=step).items()} for step in range(steps)]
    weights = trainer.generator.tensors(), trainer.discriminator.tensors()
    trainer.close()
    return figures, *weights


def run_plainly(steps: int = 3) -> tuple[list[dict[str, float]], nn.Module, nn.Module]:
    student, critic = networks()
    optimizers = [torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.5, 0.999)) for net in (student, critic)]
    found = []
    for step in range(steps):
        x, y = batch(step).input, batch(step).target
        images = [student.conv(x) * factor for factor in choose(step)]
        real = critic(torch.cat([x, y], 1))
        fake = [critic(torch.cat([x, image.detach()], 1)) for image in images]
        d_loss = F.relu(1 - real).mean() + sum(F.relu(1 + logits).mean() for logits in fake) / 2
        optimizers[1].zero_grad()
        d_loss.backward()
        optimizers[1].step()
        adversarial = -sum(critic(torch.cat([x, image], 1)).mean() for image in images) / 2
        reconstruction = sum((image - y).abs().mean() for image in images) / 2
        distillation = (student.map(x) - teacher(x)[1][0]).square().mean()
        loss = 0.7 * adversarial + 3.0 * reconstruction + 0.5 * distillation
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        parts = {"loss": loss, "adversarial": adversarial, "reconstruction": reconstruction, "distillation": distillation}
        found.append({name: float(value.detach()) for name, value in (parts | {"discriminator": d_loss}).items()})
    return found, student, critic


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_steps_are_those_of_the_equations(stage: int) -> None:
    expected, student, critic = run_plainly()
    figures, generator, discriminator = run({"zero_optimization": {"stage": stage}})
    for mine, other in zip(figures, expected, strict=True):
        assert mine == pytest.approx(other, rel=1e-5)
    for name, tensor in student.state_dict().items():
        torch.testing.assert_close(generator[name], tensor, rtol=1e-4, atol=1e-6)
    for name, tensor in critic.state_dict().items():
        torch.testing.assert_close(discriminator[f"net.{name}"], tensor, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("stage", [0, 2])
def test_accumulation_is_the_same_training(stage: int) -> None:
    figures, generator, discriminator = run({})
    others = run({"gradient_accumulation_steps": 2, "zero_optimization": {"stage": stage}})
    for mine, other in zip(figures, others[0], strict=True):
        assert mine == pytest.approx(other, rel=1e-4)
    for name, tensor in (generator | discriminator).items():
        torch.testing.assert_close((others[1] | others[2])[name], tensor, rtol=1e-3, atol=1e-5)


def test_the_generators_loss_leaves_no_gradient_on_the_discriminator() -> None:
    student, critic = networks()
    before = copy.deepcopy(critic.state_dict())
    config = Optimization(steps=10, batch_size=4, learning_rate=1e-30)
    trainer = GanTrainer(
        Engine(student, config, device=CPU),
        Engine(CriticSide(critic, OBJECTIVE), config, device=CPU),
        objective=OBJECTIVE,
        choose=choose,
        teacher=teacher,
    )
    trainer.step(batch(0), step=0)
    trainer.close()
    assert all(parameter.grad is None for parameter in critic.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in critic.state_dict().items())
