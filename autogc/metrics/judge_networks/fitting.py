"""How the networks that autogc trains itself are made and trained: their layers, their schedule, and the same bits every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autogc.data import Dataset
from autogc.device_lock import working
from autogc.errors import ConfigError, DivergenceError
from autogc.inference import keeping_memory, threads_set
from autogc.progress import Progress


class Layer(nn.Sequential):
    """A convolution, batch norm and ReLU: ``(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)``."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class Block(nn.Module):
    """Two layers with a skip connection: ``(N, C, H, W) -> (N, C, H, W)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(Layer(channels, channels), Layer(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


@dataclass(frozen=True)
class Schedule:
    """Adam, the rate rising over the first twentieth of the steps to ``learning_rate`` and falling linearly to zero.

    Sums in a convolution depend on how many ``threads`` share it, so on a CPU the weights are a function of that too, and it is not taken
    from the machine.
    """

    steps: int
    learning_rate: float
    threads: int

    def rate(self, step: int) -> float:
        return min(20 * (step + 1) / self.steps, 1.0) * (1 - step / self.steps)


def fit(network: nn.Module, loss: Callable[[], Tensor], schedule: Schedule, *, device: torch.device, progress: Progress) -> None:
    """Train ``network``, calling ``loss`` once a step, and leave it in evaluation mode.

    Raises ``DivergenceError`` when the loss stops being finite.
    """
    network.to(device).requires_grad_(True).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=schedule.learning_rate)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule.rate)
    progress.start("training the judge on real pictures", total=schedule.steps)
    with threads_set(schedule.threads), _reproducible(), keeping_memory():
        for step in range(schedule.steps):
            with working(str(device)):
                value = loss()
                if not torch.isfinite(value):
                    name = type(network).__name__
                    raise DivergenceError(f"the {name} diverged at step {step}: lower its learning_rate ({schedule.learning_rate})")
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
            rate.step()
            progress.update(step + 1, loss=float(value.detach()))
    network.eval().requires_grad_(False)


def trained_here(what: str, data: Dataset, *, seed: int, steps: int) -> str:
    """Return the label of a network that was trained on the dataset."""
    return (
        f"{what} trained by autogc on this dataset ({data.description}), seed {seed}, {steps} steps; "
        "not Inception: comparable only within this experiment"
    )


def check_positive(who: str, **given: float) -> None:
    """Raise ``ConfigError`` with every argument that is not positive."""
    problems = [f"{who}: {name} must be positive, got {value}" for name, value in given.items() if not value > 0]
    if problems:
        raise ConfigError(problems)


@contextmanager
def _reproducible() -> Iterator[None]:
    cudnn = torch.backends.cudnn
    previous = (cudnn.deterministic, cudnn.benchmark)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = previous
