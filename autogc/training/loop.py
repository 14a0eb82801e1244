"""The loop around a trainer: batches, checkpoints, divergence, progress."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from autogc.config.experiment import Optimization
from autogc.data import Split, training_batches
from autogc.device_lock import working
from autogc.errors import DivergenceError
from autogc.inference import keeping_memory
from autogc.progress import Progress
from autogc.training.checkpoint import Checkpoint, Checkpoints
from autogc.training.history import History
from autogc.training.randomness import derived_seed, seeded
from autogc.training.trainer import GanTrainer
from autogc.training.worker import Worker


@dataclass(frozen=True)
class Outcome:
    """Wall-clock ``seconds`` over all the processes that it took, and the losses by step."""

    seconds: float
    history: list[dict[str, float]]


@dataclass(frozen=True)
class Loop:
    """One stage's training. ``identity`` is a hash of everything that decides its result: what may be resumed as the same training."""

    name: str
    config: Optimization
    split: Split
    seed: int
    directory: Path
    identity: str

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.directory / "checkpoints", identity=self.identity)

    def run(self, trainer: GanTrainer, worker: Worker, progress: Progress) -> Outcome:
        """Train to the end, from the newest checkpoint where there is one. Collective.

        What a step draws depends on the seed, the stage, the step and the rank alone: resuming changes nothing in the result.
        Raises DivergenceError when a loss or a weight is not finite.
        """
        history = History(every=self.config.log_every)
        first, spent = self._resume(trainer, history, worker, progress)
        began = time.monotonic() - spent
        progress.start(self.name, total=self.config.steps, done=first)
        batches = training_batches(
            self.split,
            self.config.batch_size * trainer.batches,
            derived_seed(self.seed, self.name, "order"),
            start_step=first,
            rank=worker.rank,
            workers=worker.workers,
        )
        with keeping_memory():
            for step in range(first, self.config.steps):
                batch = next(batches).to(worker.device)
                with self._at_work(worker), seeded(self.seed, self.name, step, worker.rank, device=worker.device):
                    figures = worker.mean(trainer.step(batch, step=step))
                self._check_losses(figures, step)
                done = step + 1
                row = history.add(done, figures, last=done == self.config.steps)
                if row is not None:
                    progress.update(done, **{name: value for name, value in row.items() if name != "step"})
                if done % self.config.checkpoint_every == 0 and done < self.config.steps:
                    self._save(trainer, history, worker, step=done, seconds=time.monotonic() - began)
        self._check_weights(trainer, step=self.config.steps)
        return Outcome(seconds=time.monotonic() - began, history=history.rows)

    def _at_work(self, worker: Worker) -> AbstractContextManager[None]:
        # Step by step, so that a measurement of another process gets its turn; rank 0 alone, whom the others wait for anyway.
        return working(str(worker.device)) if worker.leads else nullcontext()

    def _resume(self, trainer: GanTrainer, history: History, worker: Worker, progress: Progress) -> tuple[int, float]:
        found = self.checkpoints.newest(progress) if worker.leads else None
        step = worker.agree(found.step if found else 0)
        if step == 0:
            return 0, 0.0
        found = found or self.checkpoints.at(step)
        trainer.generator.load_state(found.parts["generator"], found.data["generator"])
        if trainer.discriminator is not None:
            trainer.discriminator.load_state(found.parts["discriminator"], found.data["discriminator"])
        history.restore(found.data["history"])
        progress.note(f"{self.name}: continuing from step {step}")
        return step, found.data["seconds"]

    def _save(self, trainer: GanTrainer, history: History, worker: Worker, *, step: int, seconds: float) -> None:
        states = {name: engine.state() for name, engine in trainer.engines.items()}
        parts = {name: tensors for name, (tensors, _) in states.items()}
        for part, tensors in parts.items():
            for name, tensor in tensors.items():
                if not bool(tensor.isfinite().all()):
                    raise self._divergence(f"{part} {name} is not finite", step)
        data = {name: data for name, (_, data) in states.items()} | {"history": history.to_json(), "seconds": seconds}
        if worker.leads:
            self.checkpoints.write(Checkpoint(step=step, parts=parts, data=data))

    def _check_losses(self, figures: dict[str, float], step: int) -> None:
        bad = [f"{name} is {value}" for name, value in figures.items() if not math.isfinite(value)]
        if bad:
            raise self._divergence(", ".join(bad), step)

    def _check_weights(self, trainer: GanTrainer, *, step: int) -> None:
        for part, engine in trainer.engines.items():
            for name, parameter in engine.module.named_parameters():
                if not bool(torch.isfinite(parameter).all()):
                    raise self._divergence(f"{part} {name} is not finite", step)

    def _divergence(self, what: str, step: int) -> DivergenceError:
        path = self.checkpoints.newest_path()
        last = f"the last good checkpoint is {path}" if path else "no checkpoint had been written yet"
        return DivergenceError(
            f"{self.name} training diverged at step {step}: {what}; {last}. "
            "A lower learning_rate, or deepspeed.gradient_clipping, may hold it"
        )
