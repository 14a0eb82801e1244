"""The best of a training by the validation split: judged at its start, at intervals and at its end; the best is what it writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from autogc.metrics import METRICS
from autogc.training.worker import Worker

if TYPE_CHECKING:
    from autogc.training.trainer import GanTrainer


class BestByValidation:
    """A ``Watcher`` that scores what the stage would write, and keeps the best: the earliest of equals, so the start until it is beaten.

    Args:
        objective: The score to go by, a name of ``METRICS``, which says which direction is better.
        every: Steps from one look to the next.
        start: What training starts from, float32 by name, before an engine has rounded it.
        score: Weights by name to the objective on the validation split. Only rank 0 calls it; the others wait.
    """

    name = "validation"

    def __init__(
        self, objective: str, *, every: int, start: Mapping[str, Tensor], score: Callable[[Mapping[str, Tensor]], float], worker: Worker
    ) -> None:
        self.objective = objective
        self.every = every
        # (step, score) of every look.
        self.scores: list[tuple[int, float]] = []
        self.kept_step = 0
        # What was kept; rank 0 alone has it.
        self.best: dict[str, Tensor] = {}
        self._start = start
        self._score = score
        self._worker = worker

    def __call__(self, trainer: GanTrainer, step: int) -> dict[str, float]:
        """Score the weights after ``step`` steps. Collective."""
        weights = dict(self._start) if step == 0 else trainer.weights()
        if not self._worker.leads:
            return {}
        value = self._score(weights)
        if not self.scores or self._beats(value, dict(self.scores)[self.kept_step]):
            self.kept_step, self.best = step, weights
        self.scores.append((step, value))
        return {f"validation_{self.objective}": value}

    def described(self) -> dict[str, Any]:
        """Return what was found, JSON-ready: ``objective``, ``scores`` as [step, score], and the ``kept_step``."""
        return {"objective": self.objective, "scores": [list(one) for one in self.scores], "kept_step": self.kept_step}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the best so far, and every score."""
        return self.best, self.described()

    def load_state(self, trainer: GanTrainer, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        """Put back what ``state`` gave."""
        self.best, self.kept_step = dict(tensors), data["kept_step"]
        self.scores = [(step, value) for step, value in data["scores"]]

    def _beats(self, value: float, other: float) -> bool:
        return value > other if METRICS[self.objective].higher_is_better else value < other
