"""The watch over a supernet in training: five subnets beside answers that cost nothing, looked at again and again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autogc.config.experiment import Experiment, SupernetConfig
from autogc.cost import CostModel
from autogc.data import Dataset, training_batches
from autogc.device_lock import working
from autogc.image_grid import Column
from autogc.progress import Progress
from autogc.supernet.space import Space
from autogc.supernet.statistics import recalibrate
from autogc.supernet.supernet import Supernet
from autogc.training.randomness import seeded
from autogc.training.tasks import Teacher
from autogc.training.trainer import GanTrainer
from autogc.training.watch.record import DIRECTORY, Record
from autogc.training.watch.scene import Scene
from autogc.training.watch.subnets import BETWEEN, FULL, LARGEST, RANDOM, SMALLEST, WatchedSubnet, watched_subnets
from autogc.training.watch.verdict import Rule, Verdict, best_trivial, judged
from autogc.training.weights import with_prefix_removed
from autogc.training.worker import Worker

# Training inputs over which a subnet's running statistics are taken for a look; the search takes supernet.calibration_images.
CALIBRATION = 16
# With watch_every: auto, looks may take this share of what the generator's own passes cost in training (forward and backward as three
# forward passes), but there are never fewer than FEWEST, nor more than MOST.
SHARE, FORWARD_PASSES, FEWEST, MOST = 0.03, 3, 2, 20
# A trivial answer this near to the teacher's images says more about the teacher than about the supernet.
TEACHER_ITSELF_DB = 40.0


class SupernetWatch:
    """Scores ``full``, three random subnets and ``smallest`` on a few validation images beside the trivial answers, all by PSNR in dB to
    the teacher's images, and remembers that in ``directory/watch``: ``STEP.png`` and ``history.json``.

    A ``Watcher`` of the training loop that changes nothing in the training: it looks at a supernet of its own that is given the weights
    that the stage would write, extracts subnets as the search does, with running statistics of their own, and puts random numbers back.
    What it finds is a function of the weights and the experiment alone. Rank 0 looks; the others wait for it at their next step.
    """

    def __init__(
        self,
        experiment: Experiment,
        data: Dataset,
        *,
        supernet: Supernet,
        space: Space,
        teacher: Teacher,
        rule: Rule,
        directory: Path,
        identity: str,
        worker: Worker,
        progress: Progress,
    ) -> None:
        config = experiment.supernet
        self.name = "watch"
        self.every = look_interval(config, calibrated=supernet.has_statistics)
        self._config = config
        self._seed = experiment.seed
        self._rule = rule
        self._worker = worker
        self._progress = progress
        self._warned = False
        if not worker.leads:
            return
        # One of its own, so that the one in training is not touched: its mode, its buffers, what DeepSpeed hangs on it.
        self._supernet = copy.deepcopy(supernet).requires_grad_(False).to(worker.device)
        self._subnets = watched_subnets(
            space,
            CostModel(supernet, space),
            experiment.search.cost_limits,
            seed=experiment.seed,
            budget=config.sampling == "budget",
        )
        self._calibration: tuple[Tensor, ...] = ()
        if supernet.has_statistics:
            batch = next(training_batches(data.train, min(CALIBRATION, config.calibration_images, len(data.train)), experiment.seed))
            self._calibration = (batch.input,)
        with self._at_work():
            self._scene = Scene.of_teacher(
                data, lambda x: teacher(x.to(worker.device))[0], images=config.watch_images, seed=experiment.seed
            )
        self._trivial = self._scene.trivial()
        self._trivial_db = {name: self._scene.to_answer(images) for name, images in self._trivial.items()}
        self._trivial_truth_db = {name: self._scene.to_truth(images) for name, images in self._trivial.items()}
        self._best = best_trivial(rule, self._trivial_db)
        self._record = Record(directory / DIRECTORY, about=self._about(identity))

    def _about(self, identity: str) -> dict[str, Any]:
        truth = self._trivial_truth_db
        return {
            "identity": identity,
            "measure": "PSNR in dB over 8-bit images, the mean over images",
            "images": [example.name for example in self._scene.examples],
            "subnets": [{"name": one.name, "macs": one.macs, "candidate": one.candidate.to_json()} for one in self._subnets],
            "trivial": {name: {"to_teacher": value, "to_truth": truth[name]} for name, value in self._trivial_db.items()},
            "teacher_to_truth": self._scene.to_truth([example.answer for example in self._scene.examples]),
        }

    def __call__(self, trainer: GanTrainer, step: int) -> dict[str, float]:
        """Look after ``step`` steps; past the half of the training, warn once where most subnets are no better than trivial. Collective."""
        weights = trainer.weights()
        if not self._worker.leads:
            return {}
        if self._record.at(step) is None:
            self._measure(with_prefix_removed(weights, "supernet."), step)
        verdict = self._verdict(step)
        if verdict.collapsed and not self._warned and self._config.steps <= 2 * step < 2 * self._config.steps:
            self._warned = True
            self._progress.note(
                f"warning: {self._compared(step, verdict)} Unless that changes, the run ends after step {self._config.steps}, before the "
                f"search. See {self._record.drawing(step)}"
            )
        return self._figures(step)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return nothing: what was seen is in its own directory."""
        return {}, {}

    def load_state(self, trainer: GanTrainer, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        """Do nothing."""
        del trainer, tensors, data

    def refuses(self, trainer: GanTrainer) -> bool:
        """Return whether the supernet is not worth a search after the last step, unless the experiment wants one regardless. Collective."""
        last = self._config.steps
        if self._worker.agree(int(self._worker.leads and self._record.at(last) is None)):
            self(trainer, last)
        collapsed = False
        if self._worker.leads:
            verdict = self._verdict(last)
            if verdict.corner:
                self._progress.note(
                    f"warning: the smallest subnet is no better than an answer that costs nothing ({self._said(last)}; {_named(verdict)}): "
                    "the cheapest part of the space is not worth its evaluations. More supernet.steps, or larger least values in "
                    "space.dimensions, may help"
                )
            if verdict.collapsed and self._config.accept_trivial:
                self._progress.note(f"warning: {self._compared(last, verdict)} Going on all the same: supernet.accept_trivial is true")
            collapsed = verdict.collapsed and not self._config.accept_trivial
        return bool(self._worker.agree(int(collapsed)))

    def refusal(self) -> str:
        """Return what to tell the user where ``refuses``: what was measured, where to look, what to try. Of rank 0."""
        config, step = self._config, self._config.steps
        verdict = self._verdict(step)
        itself = ""
        if verdict.best[1] >= TEACHER_ITSELF_DB:
            itself = (
                f" At {verdict.best[1]:.1f} dB {verdict.best[0]} is nearly what the teacher makes, so look at the teacher first: it may "
                "answer every input alike, or hardly change it."
            )
        return (
            f"the supernet is not worth a search: {self._compared(step, verdict)}{itself}\n"
            f"  look at {self._record.drawing(step)} (the columns are these; history.json beside it has every look)\n"
            f"  to try: more supernet.steps (now {config.steps}); a lower supernet.learning_rate (now {config.learning_rate:g}); another "
            f"supernet.start (now {config.start}: identity suits generators without norm layers) or supernet.sampling (now "
            f"{config.sampling}); fewer or larger values in space.dimensions (width, operator, pruning, bits); a larger "
            "losses.reconstruction_weight\n"
            "  in another --run-dir; teacher.checkpoint and teacher.discriminator_checkpoint can be this run's teacher/*.safetensors\n"
            "  to go on all the same: --set supernet.accept_trivial=true on this run directory takes what has been trained"
        )

    def _verdict(self, step: int) -> Verdict:
        row = self._row(step)
        verdict = judged(self._rule, row["to_teacher"], self._trivial_db, row["variation"])
        trivial = {name: value for name, value in self._trivial_truth_db.items() if value is not None}
        if not trivial:
            return verdict
        # Students of pairs learn the truth, and may find it by another way than the teacher's images.
        true = judged(self._rule, row["to_truth"], trivial, row["variation"])
        return replace(verdict, trivial=tuple(name for name in verdict.trivial if name in true.trivial))

    def _row(self, step: int) -> dict[str, Any]:
        row = self._record.at(step)
        assert row is not None, "it has looked at this step"
        return row

    def _measure(self, weights: Mapping[str, Tensor], step: int) -> None:
        """Score and draw every subnet of the supernet with these weights, write it down, and say it."""
        self._supernet.load_state_dict(weights)
        with self._at_work():
            made = {one.name: self._scene.make(self._subnet(one)) for one in self._subnets}
        found = {name: self._scene.to_answer(images) for name, images in made.items()}
        row = {
            "to_teacher": found,
            "to_truth": {name: self._scene.to_truth(images) for name, images in made.items()},
            "variation": {name: self._scene.variation(images) for name, images in made.items()},
        }
        columns: list[tuple[Column, Sequence[Tensor]]] = [
            (Column("teacher"), [example.answer for example in self._scene.examples]),
            (Column(self._best, (_db(self._trivial_db[self._best]),)), self._trivial[self._best]),
            *((Column(one.name, (_db(found[one.name]), _macs(one.macs))), made[one.name]) for one in self._subnets),
        ]
        self._scene.draw(self._record.drawing(step), columns)
        self._record.keep(step, row)
        self._progress.note(f"supernet, step {step}: {self._said(step)}; {self._best} {_db(self._trivial_db[self._best])}")

    def _subnet(self, watched: WatchedSubnet) -> Callable[[Tensor], Tensor]:
        module = recalibrate(self._supernet.extract(watched.candidate), self._calibration)
        return lambda x: module(x.to(self._worker.device))

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        device = self._worker.device
        with working(str(device)), torch.no_grad(), seeded(self._seed, "watch", device=device):
            yield

    def _figures(self, step: int) -> dict[str, float]:
        """Return the curves' values."""
        found = self._row(step)["to_teacher"]
        figures = {f"watch/{name.replace(' ', '_')}_db": value for name, value in found.items()}
        return figures | {"watch/trivial_db": self._trivial_db[self._best]}

    def _said(self, step: int) -> str:
        """Return ``PSNR to the teacher: full 31.2, random 29.0 28.1 27.3, smallest 26.0 dB``."""
        found = self._row(step)["to_teacher"]
        drawn = [f"{value:.1f}" for name, value in found.items() if name.startswith(RANDOM)]
        ends = {name: f"{name} {found[name]:.1f}" for name in (FULL, LARGEST, SMALLEST) if name in found}
        parts = [ends.get(FULL, ends.get(LARGEST)), f"{RANDOM} {' '.join(drawn)}" if drawn else None, ends.get(SMALLEST)]
        return f"PSNR to the teacher: {', '.join(part for part in parts if part)} dB"

    def _compared(self, step: int, verdict: Verdict) -> str:
        row, shown = self._row(step), len(self._scene.examples)
        margin = f", and {self._rule.margin_db:g} dB above it is the least that counts" if self._rule.margin_db else ""
        counted = f" (of the answers that cost nothing only this one counts: {self._rule.reason})" if self._rule.constant_only else ""
        varied = ""
        if self._rule.least_variation is not None:
            shares = ", ".join(f"{name} {value:.0%}" for name, value in row["variation"].items())
            varied = f" Their images differ from input to input by this share of what the teacher's do: {shares}."
        return (
            f"after {step} steps {len(verdict.trivial)} of the {verdict.subnets} subnets that are watched are no better than an answer "
            f"that costs nothing. {self._said(step)} (8-bit, {shown} validation images); {_named(verdict)}{counted}{margin}.{varied}"
        )


def look_interval(config: SupernetConfig, *, calibrated: bool) -> int:
    """Return after how many steps each look is taken; ``calibrated`` where subnets have running statistics, which a look takes anew."""
    every = config.watch_every
    if every == "auto":
        passes = (BETWEEN + 2) * (config.watch_images + (CALIBRATION if calibrated else 0))
        looks = int(SHARE * FORWARD_PASSES * config.steps * config.batch_size / passes)
        return ceil(config.steps / min(max(looks, FEWEST), MOST))
    return max(1, round(every * config.steps)) if isinstance(every, float) else every


def _named(verdict: Verdict) -> str:
    name, value = verdict.best
    return f"{name} {'enlargement ' if name in ('nearest', 'bicubic') else ''}has {_db(value)}"


def _db(value: float) -> str:
    return f"{value:.1f} dB"


def _macs(count: int) -> str:
    return f"{count / 1e9:.2f} G MACs" if count >= 1e9 else f"{count / 1e6:.2f} M MACs"
