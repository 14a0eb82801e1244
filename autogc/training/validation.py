"""The best of a training by the validation split: judged at its start, at intervals and at its end; the best is what it writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from autogc.metrics.limits import largest_miss, minimizes
from autogc.training.worker import Worker

if TYPE_CHECKING:
    from autogc.training.trainer import GanTrainer


class BestByValidation:
    """A ``Watcher`` that scores what the stage would write, and keeps the best: the earliest of equals, so the start until it is beaten.

    Of two steps the better is the one whose largest miss of ``limits``, as a share of its limit, is less, and where both miss none or as
    much, the one with the better ``objective``: what the choice among subnets goes by.

    Args:
        objective: The score to go by, a name of ``METRICS``, which says which direction is better.
        limits: Limits on scores by name, in numbers; none for the objective alone.
        every: Steps from one look to the next.
        start: What training starts from, float32 by name, before an engine has rounded it.
        score: Weights by name to the objective and the limited scores on the validation split. Only rank 0 calls it; the others wait.
    """

    name = "validation"

    def __init__(
        self,
        objective: str,
        *,
        limits: Mapping[str, float] | None = None,
        every: int,
        start: Mapping[str, Tensor],
        score: Callable[[Mapping[str, Tensor]], Mapping[str, float]],
        worker: Worker,
    ) -> None:
        self.objective = objective
        self.limits = dict(limits or {})
        self.every = every
        # (step, score) of every look, and (step, largest miss).
        self.scores: list[tuple[int, float]] = []
        self.misses: list[tuple[int, float]] = []
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
        found = self._score(weights)
        self.scores.append((step, found[self.objective]))
        self.misses.append((step, largest_miss(found, self.limits)))
        if len(self.scores) == 1 or self._rank(step) < self._rank(self.kept_step):
            self.kept_step, self.best = step, weights
        return {f"validation_{name}": found[name] for name in (self.objective, *self.limits)}

    def described(self) -> dict[str, Any]:
        """Return what was found, JSON-ready: ``objective``, ``scores`` as [step, score], and the ``kept_step``.

        Where there are limits, these too, and ``misses`` as [step, largest miss].
        """
        told = {"objective": self.objective, "scores": [list(one) for one in self.scores], "kept_step": self.kept_step}
        return told | {"limits": self.limits, "misses": [list(one) for one in self.misses]} if self.limits else told

    @property
    def title(self) -> str:
        """What the best step is the best by, in words."""
        return f"the limits on {', '.join(self.limits)} or {self.objective}" if self.limits else self.objective

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the best so far, and every score."""
        return self.best, self.described()

    def load_state(self, trainer: GanTrainer, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        """Put back what ``state`` gave: the limits too, by which the best so far is the best."""
        self.best, self.kept_step = dict(tensors), data["kept_step"]
        self.scores = [(step, value) for step, value in data["scores"]]
        self.limits = dict(data.get("limits", {}))
        self.misses = [(step, miss) for step, miss in data.get("misses", [[step, 0.0] for step, _ in self.scores])]

    def _rank(self, step: int) -> tuple[float, float]:
        value = dict(self.scores)[step]
        return dict(self.misses)[step], value if minimizes(self.objective) else -value
