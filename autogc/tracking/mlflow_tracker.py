"""Tracks a run in MLflow without ever standing in its way: what is said is queued, and a thread of its own delivers it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any, Self

from autogc.config.load import fingerprint
from autogc.files import read_json, write_json
from autogc.metrics.limits import minimizes
from autogc.search.pareto import eligible
from autogc.tracking.album import GRID_PNG, write_front
from autogc.tracking.messages import Curves, End, File, Front, Message, Remeasured, Scored, combine
from autogc.tracking.outbox import FIRST_DELAY, Outbox, RefusedError
from autogc.tracking.runs import HYPERVOLUME, Point, Runs
from autogc.tracking.series import hypervolume_history, reference_point
from autogc.tracking.state import ARTIFACTS, STATE, UNSENT, State, is_remote

if TYPE_CHECKING:
    from types import TracebackType

    from autogc.config.experiment import Experiment, TrackingConfig
    from autogc.search.ledger import Evaluation

STATUSES = ("FINISHED", "FAILED", "KILLED")
CLOSING_SECONDS = 15.0


class Tracker:
    """A run's line to MLflow. No method waits (but ``close``, and ``open`` for the import), and none raises for what MLflow does.

    What went wrong is in ``problems``, in sentences. Use it as a context manager, and the parent run ends as FINISHED, FAILED (an
    exception passed) or KILLED (an interrupt).
    """

    def __init__(
        self,
        runs: Runs,
        state: State,
        *,
        objectives: Sequence[str],
        constraints: Mapping[str, float] | None = None,
        first_delay: float = FIRST_DELAY,
    ) -> None:
        self._runs = runs
        self._state = state
        self._objectives = tuple(objectives)
        self._constraints = dict(constraints or {})
        self._unsent = Path(state.directory) / UNSENT
        self._problems: list[str] = []
        self._outbox: Outbox[Message] = Outbox(self._deliver, combine=combine, first_delay=first_delay)

    @classmethod
    def open(cls, config: TrackingConfig, run_directory: Path, experiment: Experiment) -> Tracker:
        """Track ``experiment`` in the store that ``config`` names, or in a database in the run directory.

        The parent run of a run directory is made once and found again later. ``sync`` it with the ledger after opening.
        """
        if not config.enabled:
            return NullTracker()
        import mlflow  # noqa: F401  (two seconds, here rather than half-way in the thread)

        run_directory = Path(run_directory).resolve()
        run_directory.mkdir(parents=True, exist_ok=True)
        state = State.load(run_directory, uri=config.uri)
        search, feature_network = experiment.search, experiment.scores.feature_network
        limits = [f"{name} {'<=' if minimizes(name) else '>='} {limit:g}" for name, limit in search.constraints.items()]
        runs = Runs(
            uri=state.uri,
            artifacts=None if is_remote(state.uri) else run_directory / ARTIFACTS,
            experiment=config.experiment or experiment.name,
            token=state.token,
            name=experiment.name,
            tags={
                "autogc.fingerprint": fingerprint(experiment),
                "autogc.version": version("autogc"),
                "mlflow.source.name": "autogc",
                "mlflow.note.content": f"Search for {' and '.join(search.objectives)}; each nested run is a candidate, named by its hash. "
                "The front, its table, its growth and the image grid are under Artifacts, in `front/`.",
            },
            params={
                "seed": str(experiment.seed),
                "data": experiment.data.name,
                "generator": experiment.generator.label,
                "objectives": ", ".join(search.objectives),
                "constraints": ", ".join(limits) or "none",
                "sampler": search.sampler.name,
                "feature_network": feature_network.name if feature_network is not None else "none",
            },
        )
        tracker = cls(runs, state, objectives=search.objectives, constraints=search.constraints)
        tracker._remember(settled=False)
        tracker._resend()
        return tracker

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be tracked so far, and why; empty when all is well."""
        return (*self._outbox.problems, *self._problems)

    @staticmethod
    def unsettled(run_directory: str | Path) -> bool:
        """Whether the last tracker of a run directory ended, by a kill or for want of its server, before everything was delivered."""
        path = Path(run_directory) / STATE
        return path.exists() and not read_json(path).get("settled", False)

    @property
    def run_id(self) -> str | None:
        """The parent run's id, once it is made."""
        return self._state.run_id

    @property
    def reference(self) -> dict[str, float] | None:
        """The hypervolume's reference point by objective, once the front was drawn."""
        return self._state.reference

    def sync(self, evaluations: Sequence[Evaluation]) -> None:
        """Send the evaluations that have no run yet: those of the ledger, after opening a run directory again."""
        for evaluation in evaluations:
            self.evaluation(evaluation)

    def evaluation(self, evaluation: Evaluation) -> None:
        """Add a candidate's run under the parent; one that is there stays as it is."""
        self._outbox.put(Scored(evaluation))

    def measured(self, evaluation: Evaluation) -> None:
        """Put the measured latency of an evaluation, and how it was taken, in the place of the predicted one on the candidate's run."""
        self._outbox.put(Remeasured(evaluation))

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Add to the parent's curves, named ``stage/name``."""
        now = round(time.time() * 1000)
        self._outbox.put(Curves(tuple(Point(f"{stage}/{name}", float(value), step, now) for name, value in values.items())))

    def front(self, evaluations: Sequence[Evaluation], grid: Path | None = None, *, teacher: Mapping[str, float] | None = None) -> None:
        """Draw the front anew on the parent: figures, table, hypervolume and, where one is given, the image grid."""
        self._outbox.put(Front(tuple(evaluations), grid, dict(teacher) if teacher else None))

    def artifact(self, path: Path, *, under: str | None = None) -> None:
        """Add a file, or the files of a directory, to the parent's artifacts."""
        self._outbox.put(File(Path(path).absolute(), under))

    def close(self, status: str = "FINISHED", *, timeout: float = CLOSING_SECONDS) -> None:
        """End the parent run after delivering what waits, for at most ``timeout`` seconds.

        What could not be sent is kept for the next opening: evaluations in the ledger (``sync``), the rest in a file.
        """
        assert status in STATUSES, status
        self._outbox.put(End(status))
        unsent = self._outbox.close(timeout=timeout)
        points = [point for message in unsent if isinstance(message, Curves) for point in message.points]
        files = [message for message in unsent if isinstance(message, File)]
        if points or files:
            write_json(self._unsent, {"points": [vars(point) for point in points], "files": [[str(f.path), f.under] for f in files]})
        else:
            self._unsent.unlink(missing_ok=True)
        self._remember(settled=not unsent)
        if unsent:
            scored = sum(isinstance(message, Scored) for message in unsent)
            counts = f"{scored} evaluations, {len(points)} values of curves and {len(files)} files"
            if not (scored or points or files):
                counts = "the front as it is now, or that the run ended,"
            self._problems.append(f"{counts} could not be sent to {self._runs.uri}; the same command sends them when it is reachable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close("FINISHED")
        else:
            self.close("FAILED" if issubclass(kind, Exception) else "KILLED")

    def _resend(self) -> None:
        """Queue what the last closing could not send. The file stays until the next closing, and MLflow drops values that it has."""
        if self._unsent.exists():
            kept: dict[str, list[Any]] = read_json(self._unsent)
            self._outbox.put(Curves(tuple(Point(**point) for point in kept["points"])))
            for path, under in kept["files"]:
                self._outbox.put(File(Path(path), under))

    def _deliver(self, message: Message) -> None:
        """Say one message to MLflow, from the outbox's thread."""
        self._runs.connect()
        if self._state.run_id != self._runs.parent_id:
            self._remember(run_id=self._runs.parent_id, experiment_id=self._runs.experiment_id)
        match message:
            case Scored(evaluation):
                self._runs.log_evaluation(evaluation)
            case Remeasured(evaluation):
                self._runs.log_latency(evaluation)
            case Curves(points):
                self._runs.log_points(points)
            case Front():
                self._draw(message)
            case File(path, under):
                if not path.exists():
                    raise RefusedError(f"{path} is not there any more")
                self._runs.log_files(path, under=under)
            case End(status):
                self._runs.finish(status)

    def _draw(self, message: Front) -> None:
        usable = eligible(message.evaluations, self._objectives, self._constraints)
        if not usable:
            return
        reference = self._state.reference
        if reference is None or set(reference) != set(self._objectives):
            reference = reference_point(usable, self._objectives)
            assert reference is not None
            self._remember(reference=reference)
            self._runs.set_tags({f"autogc.reference.{name}": f"{value:g}" for name, value in reference.items()})
        with tempfile.TemporaryDirectory(prefix="autogc-front-") as name:
            directory = Path(name)
            write_front(directory, usable, self._objectives, reference=reference, teacher=message.teacher)
            if message.grid is not None and message.grid.exists():
                copyfile(message.grid, directory / GRID_PNG)
            self._runs.log_files(directory, under="front")
        finished = {evaluation.trial: round(evaluation.finished.timestamp() * 1000) for evaluation in usable}
        history = hypervolume_history(usable, self._objectives, reference=reference)
        self._runs.log_hypervolume([Point(HYPERVOLUME, volume, trial, finished[trial]) for trial, volume in history])

    def _remember(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)
        self._state.save()


class NullTracker(Tracker):
    """What ``Tracker.open`` gives when tracking is off: takes everything, does nothing."""

    def __init__(self) -> None:
        self._problems = []

    @property
    def problems(self) -> tuple[str, ...]:
        return ()

    @staticmethod
    def unsettled(run_directory: str | Path) -> bool:
        """Whether the last tracker of a run directory ended, by a kill or for want of its server, before everything was delivered."""
        path = Path(run_directory) / STATE
        return path.exists() and not read_json(path).get("settled", False)

    @property
    def run_id(self) -> None:
        return None

    @property
    def reference(self) -> None:
        return None

    def evaluation(self, evaluation: Evaluation) -> None:
        del evaluation

    def measured(self, evaluation: Evaluation) -> None:
        del evaluation

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        del stage, step, values

    def front(self, evaluations: Sequence[Evaluation], grid: Path | None = None, *, teacher: Mapping[str, float] | None = None) -> None:
        del evaluations, grid, teacher

    def artifact(self, path: Path, *, under: str | None = None) -> None:
        del path, under

    def close(self, status: str = "FINISHED", *, timeout: float = CLOSING_SECONDS) -> None:
        del status, timeout
