"""What the loop promises those who look on, with a training that only counts."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from autogc.config.experiment import Component, Optimization
from autogc.data import open_data
from autogc.progress import Silent
from autogc.training.loop import Loop
from autogc.training.trainer import GanTrainer
from autogc.training.worker import Worker

HERE = Worker(rank=0, workers=1, device=torch.device("cpu"))


class Killed(BaseException):
    pass


class Side:
    """An engine of one weight."""

    def __init__(self) -> None:
        self.module = nn.Linear(1, 1, bias=False)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {"weight": self.module.weight.detach().clone()}, {}

    def load_state(self, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        self.module.weight.data.copy_(tensors["weight"])


class Counting:
    """A trainer whose weight is the number of steps that it took; killed at step ``kill_at``."""

    batches = 1
    average = None

    def __init__(self, kill_at: int | None = None) -> None:
        self.generator, self.discriminator = Side(), Side()
        self.engines = {"generator": self.generator, "discriminator": self.discriminator}
        self.generator.module.weight.data.zero_()
        self._kill_at = kill_at

    def step(self, batch: object, *, step: int) -> dict[str, Tensor]:
        if step == self._kill_at:
            raise Killed
        self.generator.module.weight.data.add_(1)
        return {"loss": torch.zeros(())}


class Looking:
    """Notes the steps at which it was called; remembers them, and a tensor."""

    def __init__(self, name: str, every: int, order: list[str] | None = None) -> None:
        self.name, self.every = name, every
        self.steps: list[int] = []
        self.order = [] if order is None else order

    def __call__(self, trainer: Any, step: int) -> dict[str, float]:
        assert float(trainer.generator.module.weight.detach()) == step
        self.steps.append(step)
        self.order.append(self.name)
        return {f"seen_{self.name}": float(step)} if self.every > 1 else {}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {"last": torch.tensor([self.steps[-1]])}, {"steps": self.steps}

    def load_state(self, trainer: Any, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        assert float(trainer.generator.module.weight.detach()) == data["steps"][-1] == tensors["last"].item()
        self.steps = list(data["steps"])


class Told(Silent):
    def __init__(self) -> None:
        self.figures: list[tuple[int, dict[str, float]]] = []

    def update(self, done: int, **figures: float) -> None:
        self.figures.append((done, figures))


@pytest.fixture(scope="module")
def split() -> Any:
    args = {"height": 32, "width": 32, "train": 2, "validation": 1, "test": 1}
    return open_data(Component(name="streets", args=args), seed=0).train


def run(split: Any, directory: Path, *watchers: Any, kill_at: int | None = None) -> Told:
    told = Told()
    config = Optimization(steps=7, batch_size=1, checkpoint_every=2, log_every=100)
    loop = Loop("counting", config, split, 0, directory, "identity")
    loop.run(cast(GanTrainer, Counting(kill_at)), HERE, told, watchers=watchers)
    return told


def test_they_are_called_at_the_start_at_intervals_and_at_the_end_in_their_order(split: Any, tmp_path: Path) -> None:
    order: list[str] = []
    first, second = Looking("b", 1, order), Looking("a", 3, order)
    told = run(split, tmp_path, first, second)
    assert first.steps == [0, 1, 2, 3, 4, 5, 6, 7] and second.steps == [0, 3, 6, 7]
    assert order[:3] == ["b", "a", "b"]
    assert [one for one in told.figures if "seen_a" in one[1]] == [(step, {"seen_a": float(step)}) for step in (0, 3, 6, 7)]
    assert not any("seen_b" in figures for _, figures in told.figures)


def test_what_they_remember_survives_a_kill(split: Any, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(split, tmp_path, Looking("a", 2), kill_at=5)
    again = Looking("a", 2)
    run(split, tmp_path, again)
    assert again.steps == [0, 2, 4, 6, 7], "the checkpoint after step 4 has what was seen until then, step 4 too"


def test_one_that_the_checkpoint_does_not_know_begins_there(split: Any, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(split, tmp_path, kill_at=5)
    late = Looking("late", 3)
    run(split, tmp_path, late)
    assert late.steps == [4, 6, 7]
