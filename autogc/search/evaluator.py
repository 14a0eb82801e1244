"""One evaluation: a candidate's subnet and its scores."""

from __future__ import annotations

import hashlib
import math
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor

from autogc.device_lock import working
from autogc.errors import AutogcError, MetricError
from autogc.inference import in_precision, keeping_memory, suited, threads_set
from autogc.metrics.assessment import Look
from autogc.search.precision import Precisions
from autogc.search.screening import Bar
from autogc.supernet.candidate import Candidate
from autogc.supernet.statistics import recalibrate

if TYPE_CHECKING:
    from autogc.data import Split
    from autogc.metrics import Assessment, Judge
    from autogc.supernet import Supernet


@dataclass(frozen=True)
class Outcome:
    """What an evaluation gave: JSON-ready but for its times. ``costs`` holds the measured ones only."""

    state: Literal["complete", "screened", "failed"]
    reason: str | None
    scores: dict[str, float]
    costs: dict[str, float]
    provenance: dict[str, Any]
    seed: int
    started: datetime
    finished: datetime
    worker: str

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready data."""
        return asdict(self) | {"started": self.started.isoformat(), "finished": self.finished.isoformat()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Outcome:
        """Read what ``to_json`` gave."""
        times = {name: datetime.fromisoformat(data[name]) for name in ("started", "finished")}
        return cls(**{**data, **times})


class Evaluator(Protocol):
    """Whatever scores candidates. It is pickled once and sent to the workers."""

    def seed_of(self, candidate: Candidate) -> int:
        """Return what the evaluation's random numbers are seeded with: a matter of the candidate and the experiment alone."""

    def evaluate(self, candidate: Candidate, bar: Bar | None = None) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
        """Return (scores, measured costs, provenance). Raises AutogcError where the candidate can't be scored.

        With a ``bar``, provenance has what the first images alone said (``Evaluation.first``); there are no scores where that misses it.
        """


def seed_for(candidate: Candidate, seed: int) -> int:
    """Return an evaluation's seed, 32 bits, from the candidate's hash and the experiment's seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{candidate.hash}".encode()).digest()[:4], "big")


def evaluate(evaluator: Evaluator, candidate: Candidate, bar: Bar | None = None) -> Outcome:
    """Evaluate, and say what came of it: an error or a value that is not finite makes the evaluation ``failed``, with the reason."""
    state: Literal["complete", "screened", "failed"] = "complete"
    started = datetime.now(UTC)
    scores: dict[str, float] = {}
    costs: dict[str, float] = {}
    provenance: dict[str, Any] = {}
    reason = None
    try:
        scores, costs, provenance = evaluator.evaluate(candidate, bar)
        missed = {} if bar is None or "first" not in provenance else bar.missed(provenance["first"]["scores"])
        if missed:
            first = provenance["first"]
            said = ", ".join(f"{name} {first['scores'][name]:.4g} misses {limit:.4g}" for name, limit in missed.items())
            state, reason = "screened", f"not scored on all images: on the first {first['images']}, {said}"
        wrong = {name: value for name, value in (scores | costs).items() if not math.isfinite(value)}
        if wrong:
            raise MetricError(", ".join(f"{name} is {value}" for name, value in wrong.items()))
    except (AutogcError, RuntimeError, ArithmeticError) as error:
        # A subnet that can't be run (out of memory, sizes that don't fit) or judged: the search goes on without it.
        # Anything else is a defect.
        state, reason = "failed", f"{type(error).__name__}: {error}"
        scores = {name: value for name, value in scores.items() if math.isfinite(value)}
        costs = {name: value for name, value in costs.items() if math.isfinite(value)}
    return Outcome(
        state=state,
        reason=reason,
        scores=scores,
        costs=costs,
        provenance=provenance,
        seed=evaluator.seed_of(candidate),
        started=started,
        finished=datetime.now(UTC),
        worker=f"{socket.gethostname()}:{os.getpid()}",
    )


class CandidateEvaluator:
    """Scores a candidate's subnet on the first ``images`` samples of ``split``, as the judge does everything.

    The same candidate gives the same scores whatever was evaluated before it and wherever: the subnet is a plain module of its own,
    random numbers are seeded from its hash, and ``threads`` is fixed. Its running statistics, where it keeps any, are taken over
    ``calibration`` (batches of inputs), never from the candidate before. ``precisions`` and ``batch_size`` are what it is
    computed and judged in.
    ``latency`` is how a candidate's latency was predicted, JSON-ready, for its provenance, where it is an objective or a constraint:
    nothing is timed here.
    """

    def __init__(
        self,
        *,
        supernet: Supernet,
        judge: Judge,
        split: Split,
        metrics: tuple[str, ...],
        seed: int,
        images: int | None = None,
        batch_size: int = 16,
        calibration: Sequence[Tensor] = (),
        latency: Mapping[str, Any] | None = None,
        device: str = "cpu",
        threads: int = 1,
    ) -> None:
        self._supernet = supernet
        self._judge = judge
        self._split = split
        self._metrics = metrics
        self._seed = seed
        self._images = images
        self.batch_size = batch_size
        self._calibration = tuple(calibration)
        self._latency = latency
        self.device = torch.device(device)
        self._threads = threads
        self.precisions = Precisions()

    def seed_of(self, candidate: Candidate) -> int:
        """Return the evaluation's seed."""
        return seed_for(candidate, self._seed)

    def evaluate(self, candidate: Candidate, bar: Bar | None = None) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
        """Return (scores, measured costs, provenance)."""
        with working(str(self.device)):
            return self._evaluate(candidate, bar)

    def judged(self, candidate: Candidate, precisions: Precisions, bar: Bar | None = None) -> Assessment:
        """Return what the judge says of the candidate's pictures, made and judged in ``precisions``; of the first alone where they miss
        ``bar``."""
        torch.manual_seed(self.seed_of(candidate))
        with keeping_memory(), threads_set(self._threads):
            module = recalibrate(self._supernet.extract(candidate).to(self.device), self._calibration)
            subnet = suited(module)

            def generate(inputs: Tensor) -> Tensor:
                with in_precision(precisions.generator, self.device):
                    return subnet(inputs)

            return self._judge.to(self.device).score(
                generate,
                self._split,
                metrics=self._metrics,
                images=self._images,
                batch_size=self.batch_size if bar is None else min(self.batch_size, bar.images),
                precision=precisions.judge,
                look=None if bar is None else Look(bar.images, lambda scores: not bar.missed(scores)),
            )

    def _evaluate(self, candidate: Candidate, bar: Bar | None) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
        judged = self.judged(candidate, self.precisions, bar)
        provenance = self._judge.provenance(self._split, images=self._images)
        provenance["precision"] = str(self.precisions)
        provenance["batch_size"] = self.batch_size
        if judged.first is not None:
            provenance["first"] = {"images": judged.first.images, "scores": judged.first.scores}
        if judged.intervals:
            provenance["intervals"] = judged.intervals
        if self._latency is not None:
            provenance["latency"] = dict(self._latency)
        return judged.scores, {}, provenance
