"""The loop around a trainer: batches, checkpoints, divergence, progress."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
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
from autogc.training.average import WeightAverage
from autogc.training.checkpoint import Checkpoint, Checkpoints
from autogc.training.history import History
from autogc.training.randomness import derived_seed, seeded
from autogc.training.trainer import GanTrainer
from autogc.training.watchers import Watcher
from autogc.training.worker import Worker

# Of a checkpoint's parts, those of watchers are called this and their name.
WATCHER = "watcher."


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

    def run(self, trainer: GanTrainer, worker: Worker, progress: Progress, *, watchers: Sequence[Watcher] = ()) -> Outcome:
        """Train to the end, from the newest checkpoint where there is one. Collective.

        What a step draws depends on the seed, the stage, the step and the rank alone: resuming changes nothing in the result.
        ``watchers`` look on (``autogc.training.watchers``). Raises DivergenceError when a loss or a weight is not finite.
        """
        if self.config.average is not None:
            trainer.average = WeightAverage(self.config.average)
            watchers = (trainer.average, *watchers)
        history = History(every=self.config.log_every)
        first, spent = self._resume(trainer, history, worker, progress, watchers)
        began = time.monotonic() - spent
        progress.start(self.name, total=self.config.steps, done=first)
        if first == 0:
            self._watch(trainer, watchers, progress, step=0)
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
                self._watch(trainer, watchers, progress, step=done)
                if done % self.config.checkpoint_every == 0 and done < self.config.steps:
                    self._save(trainer, history, worker, watchers, step=done, seconds=time.monotonic() - began)
        self._check_weights(trainer, step=self.config.steps)
        return Outcome(seconds=time.monotonic() - began, history=history.rows)

    def keep(self, trainer: GanTrainer, worker: Worker, outcome: Outcome, *, watchers: Sequence[Watcher] = ()) -> None:
        """Write a checkpoint of the end, for a training whose result is not wanted as it is: ``run`` then has nothing left to train.

        ``watchers`` are those of the ``run`` that gave ``outcome``. Collective.
        """
        history = History(every=self.config.log_every)
        history.rows = list(outcome.history)
        watching = watchers if trainer.average is None else (trainer.average, *watchers)
        self._save(trainer, history, worker, watching, step=self.config.steps, seconds=outcome.seconds)

    def _at_work(self, worker: Worker) -> AbstractContextManager[None]:
        # Step by step, so that a measurement of another process gets its turn; rank 0 alone, whom the others wait for anyway.
        return working(str(worker.device)) if worker.leads else nullcontext()

    def _watch(self, trainer: GanTrainer, watchers: Sequence[Watcher], progress: Progress, *, step: int) -> None:
        for watcher in watchers:
            if step % watcher.every == 0 or step == self.config.steps:
                figures = watcher(trainer, step)
                if figures:
                    progress.update(step, **figures)

    def _resume(
        self, trainer: GanTrainer, history: History, worker: Worker, progress: Progress, watchers: Sequence[Watcher]
    ) -> tuple[int, float]:
        found = self.checkpoints.newest(progress) if worker.leads else None
        step = worker.agree(found.step if found else 0)
        if step == 0:
            return 0, 0.0
        found = found or self.checkpoints.at(step)
        trainer.generator.load_state(found.parts["generator"], found.data["generator"])
        if trainer.discriminator is not None:
            trainer.discriminator.load_state(found.parts["discriminator"], found.data["discriminator"])
        history.restore(found.data["history"])
        for watcher in watchers:
            remembered = found.parts.get(WATCHER + watcher.name)
            if remembered is not None:
                watcher.load_state(trainer, remembered, found.data["watchers"][watcher.name])
            else:  # A checkpoint from before it watched: it begins here.
                watcher(trainer, step)
        progress.note(f"{self.name}: continuing from step {step}")
        return step, found.data["seconds"]

    def _save(
        self, trainer: GanTrainer, history: History, worker: Worker, watchers: Sequence[Watcher], *, step: int, seconds: float
    ) -> None:
        states = {name: engine.state() for name, engine in trainer.engines.items()}
        parts = {name: tensors for name, (tensors, _) in states.items()}
        for part, tensors in parts.items():
            for name, tensor in tensors.items():
                if not bool(tensor.isfinite().all()):
                    raise self._divergence(f"{part} {name} is not finite", step)
        watched = {watcher.name: watcher.state() for watcher in watchers}
        parts |= {WATCHER + name: tensors for name, (tensors, _) in watched.items()}
        data = {name: data for name, (_, data) in states.items()} | {"history": history.to_json(), "seconds": seconds}
        data["watchers"] = {name: remembered for name, (_, remembered) in watched.items()}
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
