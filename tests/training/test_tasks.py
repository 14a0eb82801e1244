"""Each task's step against the same written out in PyTorch."""

from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_tasks import make_task_experiment, super_resolution
from torch import Tensor, nn
from torch.nn import functional as F

from autogc.config.experiment import LossWeights, Optimization, StudentsConfig
from autogc.data import Batch, training_batches
from autogc.data.inputs import with_domains
from autogc.errors import ConfigError
from autogc.models import Verdict
from autogc.pipeline.check_networks import task_problems
from autogc.training.engine import Engine
from autogc.training.randomness import seeded
from autogc.training.stage import build_data, build_discriminator
from autogc.training.tasks import TASKS, Objective, task_of
from autogc.training.tasks.multi_domain import MultiDomainObjective
from autogc.training.tasks.pool import add_pool, draw
from autogc.training.tasks.unconditional import UnconditionalObjective
from autogc.training.tasks.unpaired import CycleObjective, PseudoPairedObjective
from autogc.training.trainer import CriticSide, GanTrainer, PlainGenerator

CPU = torch.device("cpu")
DATA = SimpleNamespace(target_shape=(3, 8, 8), input_shape=(3, 8, 8), exclusive_domains=False)


class Classifying(nn.Module):
    """A critic with a source and a class head."""

    def __init__(self, domains: int) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.source = nn.Conv2d(4, 1, 3)
        self.classes = nn.Linear(4, domains)

    def forward(self, x: Tensor) -> Verdict:
        y = torch.tanh(self.body(x))
        return Verdict((self.source(y),), classes=self.classes(y.mean((2, 3))))


def net(channels: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 3, padding=1))


def critic(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 3))


def pictures(count: int, seed: int) -> Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def trainer_of(
    objective: Objective, generator: nn.Module, discriminator: nn.Module, ways: tuple[dict[str, Any], dict[str, Any]], teacher: Any = None
) -> GanTrainer:
    config = Optimization(steps=10, batch_size=4, learning_rate=0.01, discriminator_learning_rate=0.02)
    side = PlainGenerator(generator, objective, ways[0])
    critics = CriticSide(discriminator, objective, ways[1], pools=objective.pools(DATA))
    return GanTrainer(
        Engine(side, config, device=CPU),
        Engine(critics, config, device=CPU, learning_rate=config.discriminator_learning_rate),
        objective=objective,
        teacher=teacher,
    )


def adam(*modules: nn.Module, rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam([p for module in modules for p in module.parameters()], lr=rate, betas=(0.5, 0.999))


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def assert_same(trained: dict[str, Tensor], expected: dict[str, nn.Module]) -> None:
    for prefix, module in expected.items():
        for name, tensor in module.state_dict().items():
            torch.testing.assert_close(trained[f"{prefix}.{name}"], tensor, rtol=1e-4, atol=1e-6)


def test_a_cyclegan_step_is_that_of_the_paper() -> None:
    weights = LossWeights(adversarial="lsgan", cycle_weight=10, identity_weight=5, pool_size=0)
    objective = CycleObjective(weights, DATA)
    there, back, d_b, d_a = net(3, 0), net(3, 1), critic(2), critic(3)
    trainer = trainer_of(objective, there, d_b, ({"back": back}, {"back": d_a}))
    mine = net(3, 0), net(3, 1), critic(2), critic(3)
    optimizers = adam(*mine[:2], rate=0.01), adam(*mine[2:], rate=0.02)
    for step in range(3):
        a, b = pictures(2, 2 * step), pictures(2, 2 * step + 1)
        figures = trainer.step(Batch(input=a, target=b, labels=None, names=["x", "y"]), step=step)
        g, f, on_b, on_a = mine
        fake_b, fake_a = g(a), f(b)

        def square(x: Tensor, to: float) -> Tensor:
            return (x - to).square().mean()

        d_loss = 0.5 * (square(on_b(b), 1) + square(on_b(fake_b.detach()), 0))
        d_loss = d_loss + 0.5 * (square(on_a(a), 1) + square(on_a(fake_a.detach()), 0))
        descend(optimizers[1], d_loss)
        adversarial = square(on_b(fake_b), 1) + square(on_a(fake_a), 1)
        cycle = F.l1_loss(f(fake_b), a) + F.l1_loss(g(fake_a), b)
        identity = F.l1_loss(g(b), b) + F.l1_loss(f(a), a)
        loss = adversarial + 10 * cycle + 5 * identity
        descend(optimizers[0], loss)
        assert float(figures["loss"]) == pytest.approx(float(loss.detach()), rel=1e-4)
        assert float(figures["cycle"]) == pytest.approx(float(cycle.detach()), rel=1e-4)
        assert float(figures["discriminator"] + figures["discriminator_back"]) == pytest.approx(float(d_loss.detach()), rel=1e-4)
    assert_same(trainer.generator.tensors(), {"net": mine[0], "companions.back": mine[1]})
    assert_same(trainer.discriminator.tensors(), {"net": mine[2], "companions.back": mine[3]})
    trainer.close()


def test_a_stargan_step_is_that_of_the_paper() -> None:
    penalised = {"name": "wgan_gp", "args": {"penalty_weight": 10}}
    weights = LossWeights.model_validate({"adversarial": penalised, "critic_steps": 2, "cycle_weight": 10, "classification_weight": 1.5})
    objective = MultiDomainObjective(weights, DATA)

    def critics() -> Classifying:
        torch.manual_seed(1)
        return Classifying(2)

    trainer = trainer_of(objective, net(5, 0), critics(), ({}, {}))
    assert trainer.batches == 2
    g, d = net(5, 0), critics()
    optimizers = adam(g, rate=0.01), adam(d, rate=0.02)
    for step in range(2):
        x = pictures(8, step)
        domains = torch.rand(8, 2, generator=torch.Generator().manual_seed(step)).round()
        batch = Batch(input=with_domains(x, domains), target=x, labels=None, names=[str(i) for i in range(8)], domains=domains)
        with seeded("step", step):
            figures = trainer.step(batch, step=step)
        with seeded("step", step):
            for part in range(2):
                real, own = x[4 * part : 4 * part + 4], domains[4 * part : 4 * part + 4]
                wanted = own[torch.randperm(4)]
                fake = g(with_domains(real, wanted))
                of_real, of_fake = d(real), d(fake.detach())
                share = torch.rand(4, 1, 1, 1)
                between = (share * real + (1 - share) * fake.detach()).requires_grad_()
                (slope,) = torch.autograd.grad(d(between).logits[0].sum(), between, create_graph=True)
                penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
                told = F.binary_cross_entropy_with_logits(of_real.classes, own, reduction="sum") / 4
                d_loss = of_fake.logits[0].mean() - of_real.logits[0].mean() + 10 * penalty + 1.5 * told
                descend(optimizers[1], d_loss)
            of_fake = d(fake)
            told = F.binary_cross_entropy_with_logits(of_fake.classes, wanted, reduction="sum") / 4
            cycle = F.l1_loss(g(with_domains(fake, own)), real)
            loss = -of_fake.logits[0].mean() + 1.5 * told + 10 * cycle
            descend(optimizers[0], loss)
        assert float(figures["loss"]) == pytest.approx(float(loss.detach()), rel=1e-3)
    assert_same(trainer.generator.tensors(), {"net": g})
    assert_same(trainer.discriminator.tensors(), {"net": d})
    trainer.close()


def test_a_student_of_noise_learns_its_teachers_picture_of_the_same_noise() -> None:
    objective = UnconditionalObjective(LossWeights(reconstruction="mse"), DATA)
    batch = Batch(input=torch.zeros(2, 4, 1, 1), target=pictures(2, 0), labels=None, names=["a", "b"])
    with seeded("noise"):
        situation = objective.prepare(batch, lambda z: (z.expand(-1, -1, 8, 8)[:, :3], [z]))
    with seeded("noise"):
        noise = torch.randn(2, 4, 1, 1)
    assert torch.equal(situation.input, noise) and torch.equal(situation.reference, noise.expand(-1, -1, 8, 8)[:, :3])
    assert torch.equal(situation.features[0], noise)
    assert objective.prepare(batch, None).reference is None


def test_a_student_of_an_unpaired_teacher_has_its_pictures_for_pairs() -> None:
    objective = PseudoPairedObjective(LossWeights(), DATA)
    a, b = pictures(2, 0), pictures(2, 1)
    situation = objective.prepare(Batch(input=a, target=b, labels=None, names=["a", "b"]), lambda x: (-x, []))
    assert torch.equal(situation.reference, -a) and torch.equal(situation.real, b)


def test_without_a_weight_for_it_no_discriminator_is_trained() -> None:
    objective = UnconditionalObjective(LossWeights(adversarial_weight=0.0), DATA)
    d = critic(2)
    before = {name: tensor.clone() for name, tensor in d.state_dict().items()}
    trainer = trainer_of(objective, net(3, 0), d, ({}, {}), teacher=lambda x: (x, []))
    figures = trainer.step(Batch(input=pictures(4, 0), target=pictures(4, 1), labels=None, names=list("abcd")), step=0)
    trainer.close()
    assert set(figures) == {"loss", "reconstruction"}
    assert all(torch.equal(tensor, before[name]) for name, tensor in d.state_dict().items())


def test_the_history_gives_back_pictures_of_before_half_of_the_time() -> None:
    module = nn.Module()
    add_pool(module, "pool", (5, 1, 1, 1))
    first = torch.arange(5.0).view(5, 1, 1, 1)
    assert torch.equal(draw(module, "pool", first), first)
    drawn = []
    with seeded("pool"):
        for value in range(5, 405):
            drawn.append(float(draw(module, "pool", torch.full((1, 1, 1, 1), float(value)))))
    older = [value for step, value in enumerate(drawn, start=5) if value != step]
    assert 160 < len(older) < 240
    assert len(set(drawn)) == len(drawn)  # A picture that was exchanged is gone, one that was shown at once was never kept.
    assert set(module.state_dict()) == {"pool", "pool_filled"}


@pytest.mark.parametrize("kind", sorted({task.kind for task in TASKS.values()}))
def test_every_kind_of_dataset_has_a_task(kind: str) -> None:
    data: Any = SimpleNamespace(kind=kind, input_shape=(3, 8, 8), target_shape=(3, 8, 8))
    experiment: Any = SimpleNamespace(task=None, data=SimpleNamespace(name="x"), students=StudentsConfig())
    assert task_of(experiment, data).kind == kind
    experiment.task = next(name for name, task in TASKS.items() if task.kind != kind)
    with pytest.raises(ConfigError, match="needs a dataset of kind"):
        task_of(experiment, data)


def test_a_part_of_one_picture_has_no_other_domains_to_ask_for() -> None:
    stage: Any = Optimization(steps=1, batch_size=4, deepspeed={"gradient_accumulation_steps": 2})
    data: Any = SimpleNamespace(kind="domains", input_shape=(3, 8, 8), target_shape=(3, 8, 8))
    experiment: Any = SimpleNamespace(
        task=None,
        losses=LossWeights(),
        students=StudentsConfig(),
        workers=1,
        teacher=stage,
        supernet=stage,
        finetune=stage,
        data=SimpleNamespace(name="x"),
    )
    assert task_problems(experiment, data) == []
    experiment.workers = 2
    assert [problem.split(":")[0] for problem in task_problems(experiment, data)] == [
        f"{name}.batch_size" for name in ("teacher", "supernet", "finetune")
    ]


def test_a_smaller_input_is_super_resolution() -> None:
    data: Any = SimpleNamespace(kind="paired", input_shape=(3, 8, 8), target_shape=(3, 32, 32))
    assert task_of(SimpleNamespace(task=None, data=None, students=StudentsConfig()), data) is TASKS["super_resolution"]  # type: ignore[arg-type]


def test_pairs_of_one_size_are_asked_for_by_name() -> None:
    data: Any = SimpleNamespace(kind="paired", input_shape=(3, 8, 8), target_shape=(3, 32, 32))
    experiment: Any = SimpleNamespace(task="paired", data=SimpleNamespace(name="x"))
    with pytest.raises(ConfigError, match="use super_resolution"):
        task_of(experiment, data)


def test_features_are_matched_only_where_the_real_picture_is_the_generated_ones() -> None:
    assert {name for name, task in TASKS.items() if "feature_matching_weight" in task.teacher.losses | task.student.losses} == {
        "paired",
        "super_resolution",
        "imitation",
    }


def test_the_critic_is_built_for_what_training_shows_it(tmp_path: Path) -> None:
    given = super_resolution(tmp_path)
    given["data"]["args"] |= {"height": 64, "width": 96}
    given["discriminator"] = {"name": "srgan", "args": {"base_channels": 4, "head": "dense"}}
    experiment = make_task_experiment("unpaired", tmp_path / "other", **given)
    data = build_data(experiment)
    (batch,) = islice(training_batches(data.train, 2, 0), 1)
    assert build_discriminator(experiment, data)(batch.target).shape == (2, 1)
