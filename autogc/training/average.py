"""Averaged weights: what a training hands on in the place of its last weights, which still tremble with every batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

if TYPE_CHECKING:
    from autogc.training.engine import Engine
    from autogc.training.trainer import GanTrainer


class WeightAverage:
    """The exponential moving average of the generator's trained float32 weights (Polyak and Juditsky, Acceleration of stochastic
    approximation by averaging, SIAM J. Control Optim. 30, 1992; for GANs Yazici et al., ICLR 2019). A ``Watcher`` of every step.

    After step s (from 0) average = d average + (1 - d) weights, with d = min(``decay``, (1 + s) / (10 + s)): the start is soon forgotten.
    The running statistics of batch norms are averaged too, since those of the last weights do not fit averaged ones; other buffers are left
    as they are (the singular vectors of a spectral norm, which steps have moved along, are the last step's). Each process averages the
    float32 weights that it holds: under ZeRO 1 and 2 its share of the masters, so that bf16 rounds nothing.
    """

    name = "average"
    every = 1

    def __init__(self, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"the decay of an average must be between 0 and 1, got {decay}")
        self.decay = decay
        self._engine: Engine | None = None
        self._held: list[Tensor] = []
        self._statistics: dict[str, Tensor] = {}

    @torch.no_grad()
    def __call__(self, trainer: GanTrainer, step: int) -> dict[str, float]:
        """Take in the weights after ``step`` steps; the first ones are the average itself."""
        if self._engine is None:
            self._begin(trainer.generator)
            return {}
        decay = min(self.decay, step / (9 + step))
        torch._foreach_lerp_(self._held, self._engine.masters(), 1 - decay)
        for name, statistic in _running_statistics(self._engine.module):
            self._statistics[name].lerp_(statistic.float(), 1 - decay)
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """Return the averaged weights and running statistics, and whatever else there is as it is, by name, on the CPU. Collective."""
        assert self._engine is not None, "nothing was averaged yet"
        with self._exchanged(self._engine):
            weights = self._engine.tensors()
        return weights | {name: statistic.to("cpu", copy=True) for name, statistic in self._statistics.items()}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what is averaged, by name, whole, whatever the ZeRO stage. Collective."""
        assert self._engine is not None, "nothing was averaged yet"
        trained = {name for name, parameter in self._engine.module.named_parameters() if parameter.requires_grad}
        return {name: tensor for name, tensor in self.tensors().items() if name in trained or name in self._statistics}, {}

    def load_state(self, trainer: GanTrainer, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        """Put back what ``state`` gave, under whatever ZeRO stage and number of workers. Collective."""
        self._begin(trainer.generator)
        with self._exchanged(trainer.generator):
            trainer.generator.load_masters(tensors)
        for name, statistic in self._statistics.items():
            if name in tensors:  # Else the checkpoint is of a version that did not average them: it begins here.
                statistic.copy_(tensors[name])

    def _begin(self, engine: Engine) -> None:
        self._engine = engine
        self._held = [master.detach().clone() for master in engine.masters()]
        self._statistics = {name: statistic.detach().to(torch.float32, copy=True) for name, statistic in _running_statistics(engine.module)}

    @contextmanager
    def _exchanged(self, engine: Engine) -> Iterator[None]:
        """Let the average take the weights' place for as long as it is read or written by name."""
        self._exchange(engine)
        try:
            yield
        finally:
            self._exchange(engine)

    @torch.no_grad()
    def _exchange(self, engine: Engine) -> None:
        for master, held in zip(engine.masters(), self._held, strict=True):
            before = master.detach().clone()
            master.copy_(held)
            held.copy_(before)


def _running_statistics(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, norm in module.named_modules(remove_duplicate=False):
        if isinstance(norm, _NormBase):
            yield from ((f"{name}.{kind}", tensor) for kind, tensor in norm.named_buffers(recurse=False) if tensor.is_floating_point())
