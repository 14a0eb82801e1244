"""What looks at a training while it goes on: at its start, at intervals, and at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from autogc.training.trainer import GanTrainer


class Watcher(Protocol):
    """Called by the loop on every worker when 0, ``every``, 2 ``every``, ... steps are done, and after the last step.

    Those of a loop are called in their order, before a checkpoint of the same step is written. What a watcher remembers from one call to
    the next belongs in its ``state``: a killed training goes on from a checkpoint, and must end as if it had not been killed.
    """

    @property
    def name(self) -> str:
        """What its part of a checkpoint is called; no two watchers of a loop share one."""

    @property
    def every(self) -> int:
        """Steps from one call to the next."""

    def __call__(self, trainer: GanTrainer, step: int) -> Mapping[str, float]:
        """Look at ``trainer`` after ``step`` steps; return figures to show and to track, perhaps none. May be collective.

        ``trainer.weights()`` are the weights that the stage would write now. It leaves weights, training mode and random numbers
        as it finds them. An error that it raises ends the training.
        """

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what it remembers, as tensors by name on the CPU and JSON-ready data. Called on every worker; may be collective."""

    def load_state(self, trainer: GanTrainer, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        """Put back what ``state`` gave; ``trainer`` is already as it was then. Called on every worker; may be collective."""
