"""A run directory and all that is built for it: opened once, shared by the stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from autogc.config.experiment import Experiment
from autogc.config.load import CHANGEABLE, diff_experiments, dump_experiment, load_experiment
from autogc.errors import RunDirectoryError
from autogc.files import read_json
from autogc.pipeline.lock import DirectoryLock
from autogc.pipeline.remnants import settle
from autogc.pipeline.tracked import TrackedProgress
from autogc.progress import Progress, Silent

if TYPE_CHECKING:
    import torch
    from torch import nn

    from autogc.cost import CostModel
    from autogc.data import Dataset
    from autogc.metrics import Judge
    from autogc.search import Evaluation
    from autogc.supernet.candidate import Candidate
    from autogc.supernet.space import Space
    from autogc.supernet.supernet import Supernet
    from autogc.tracking import Tracker

EXPERIMENT = "experiment.yaml"


class Run:
    """One run: its directory, its experiment, and the data, judge and supernet that the stages share (each made at first use).

    ``Run.open`` creates or continues a run; ``Run.reopen`` takes the experiment from the directory itself. Use as a context manager,
    or call ``close``.
    """

    def __init__(
        self, directory: Path, experiment: Experiment, *, lock: DirectoryLock | None, address: str | None, progress: Progress
    ) -> None:
        self.directory = directory
        self.experiment = experiment
        self.address = address
        self.progress = progress
        self._lock = lock
        self._tracker: Tracker | None = None

    @classmethod
    def open(cls, directory: str | Path, experiment: Experiment, *, address: str | None = None, progress: Progress | None = None) -> Run:
        """Create the run directory, or continue in it.

        ``address`` is a Ray cluster's; without it everything runs on this machine. Raises RunDirectoryError where the directory belongs to
        another experiment (naming each key that differs), holds something else, or is in use.
        """
        directory = Path(directory)
        check_directory(directory, experiment)
        directory.mkdir(parents=True, exist_ok=True)
        lock = DirectoryLock(directory)
        try:
            check_directory(directory, experiment)  # once more: somebody else may have begun before the lock was ours
            settle(directory)
            recorded = directory / EXPERIMENT
            if not recorded.is_file() or load_experiment(recorded) != experiment:
                dump_experiment(experiment, recorded)
        except BaseException:
            lock.release()
            raise
        return cls(directory, experiment, lock=lock, address=address, progress=progress or Silent())

    @classmethod
    def reopen(cls, directory: str | Path, *, address: str | None = None, progress: Progress | None = None, exclusive: bool = True) -> Run:
        """Open a run directory with the experiment that is written in it.

        Not ``exclusive``: for looking only, beside a process that is working there.
        """
        directory = Path(directory)
        if not (directory / EXPERIMENT).is_file():
            raise RunDirectoryError(f"{directory} is not a run directory: it has no {EXPERIMENT}; start one with autogc run SPACE.yaml")
        experiment = load_experiment(directory / EXPERIMENT)
        lock = DirectoryLock(directory) if exclusive else None
        if lock is not None:
            settle(directory)
        return cls(directory, experiment, lock=lock, address=address, progress=progress or Silent())

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close("FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED")

    def close(self, status: str = "FINISHED") -> None:
        """End the tracked run as FINISHED, FAILED or KILLED, and let another process use the directory."""
        tracker, self._tracker = self._tracker, None
        try:
            if tracker is not None:
                tracker.close(status)
                for problem in tracker.problems:
                    self.progress.note(f"MLflow: {problem}")
        finally:
            if self._lock is not None:
                self._lock.release()

    def stage_directory(self, stage: str) -> Path:
        """Return where a stage keeps its results."""
        return self.directory / stage

    def result(self, stage: str) -> Any:
        """Return what a stage wrote last, its ``result.json``, or None where it is not done. ``stage`` may be a path, ``finetune/HASH``."""
        path = self.directory / stage / "result.json"
        return read_json(path) if path.is_file() else None

    @property
    def candidates(self) -> tuple[str, ...]:
        """The hashes of the subnets that were exported to be fine-tuned, what was chosen first; there once the export is done."""
        exported = self.result("export")
        return tuple(exported.get("candidates", (exported["candidate"],)))

    @property
    def chosen(self) -> str:
        """The hash of the chosen subnet: among fine-tuned ones, where that is done, else before it; there once the export is done."""
        final = self.result("finetune")
        pick, candidates = self.result("export")["pick"], self.candidates
        if final is not None and (final["pick"], tuple(final["candidates"])) == (pick, candidates):
            return str(final["candidate"])
        return candidates[0]

    @property
    def exported(self) -> Path:
        """The package of the chosen subnet; there once the export is done."""
        return self.stage_directory("export") / self.chosen

    @property
    def finetuned(self) -> Path:
        """The fine-tuned package of the chosen subnet; there once fine-tuning is done."""
        return self.stage_directory("finetune") / self.chosen

    @property
    def evaluations(self) -> list[Evaluation]:
        """Every evaluation of the search so far, as the ledger has it, with measured latencies in the place of predicted ones, and with the
        intervals of the front's scores."""
        from autogc.pipeline.intervals import with_intervals
        from autogc.pipeline.latency import with_measured
        from autogc.search import Ledger

        measured = with_measured(Ledger(self.stage_directory("search")).read(), self.directory)
        return with_intervals(measured, self.directory, resamples=self.experiment.search.intervals)

    def tracked_progress(self, stage: str, *, drawings: Path | None = None) -> Progress:
        """Return progress whose figures also become curves in MLflow, and PNGs in ``drawings`` artifacts, under the stage's name."""
        return TrackedProgress(self.progress, self.tracker, stage=stage, drawings=drawings)

    @cached_property
    def device(self) -> torch.device:
        """Where networks are run: what the experiment says, or CUDA where there is one."""
        import torch

        wanted = self.experiment.device
        return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted)

    @cached_property
    def data(self) -> Dataset:
        """The dataset, its splits decoded at their first use."""
        from autogc.training.stage import build_data

        return build_data(self.experiment, teacher=self.stage_directory("teacher"))

    @cached_property
    def judge(self) -> Judge:
        """The networks that score images; trained at first use where the experiment says so, and kept in ``evaluators/``."""
        from autogc.metrics import Judge

        return Judge.prepare(
            self.experiment.scores,
            self.data,
            self.directory / "evaluators",
            seed=self.experiment.seed,
            device=self.device,
            progress=self.progress,
            discriminator=self.discriminator,
        )

    @property
    def discriminator(self) -> Callable[[], nn.Module] | None:
        """What gives judges the teacher's discriminator; None where the losses ask for none."""
        from autogc.training.stage import asks_discriminator

        return self._discriminator if asks_discriminator(self.experiment, self.data) else None

    def _discriminator(self) -> nn.Module:
        """The teacher's, or its architecture where the teacher is gone and the judge has its weights."""
        from autogc.training import load_discriminator
        from autogc.training.stage import DISCRIMINATOR, build_discriminator

        path = self.stage_directory("teacher") / DISCRIMINATOR
        if not path.is_file() and (self.directory / "evaluators").is_dir():
            return build_discriminator(self.experiment, self.data)
        return load_discriminator(self.experiment, self.data, path)

    @cached_property
    def teacher(self) -> nn.Module:
        """The trained teacher, ready to generate."""
        from autogc.training import load_teacher

        return load_teacher(self.experiment, self.data, self.stage_directory("teacher")).to(self.device).eval()

    @cached_property
    def supernet(self) -> Supernet:
        """The trained supernet."""
        from autogc.training import load_supernet

        return load_supernet(self.experiment, self.data, self.stage_directory("supernet"))

    @cached_property
    def space(self) -> Space:
        """The search space over the supernet."""
        from autogc.supernet.space import Space

        return Space.build(self.experiment.space, self.supernet)

    @cached_property
    def costs(self) -> CostModel:
        """The closed-form costs of every candidate."""
        from autogc.cost import CostModel

        return CostModel(self.supernet, self.space)

    @cached_property
    def teacher_costs(self) -> Mapping[str, int]:
        """The teacher's costs: the full subnet's, where it is the generator that became the supernet."""
        from autogc.pipeline.generator_costs import generator_costs
        from autogc.supernet.candidate import Candidate

        if self.experiment.teacher.generator is None:
            return self.costs.costs(Candidate({}))
        return generator_costs(self.teacher, self.data)

    @cached_property
    def calibration(self) -> tuple[torch.Tensor, ...]:
        """The inputs over which every subnet's running statistics are taken; none where it keeps no statistics."""
        from autogc.search import calibration_batches

        return calibration_batches(self.experiment, self.data, self.supernet)

    def subnet(self, candidate: Candidate) -> nn.Module:
        """Return a candidate's subnet as the search scores it: extracted from the supernet, calibrated, on this run's device."""
        from autogc.supernet.statistics import recalibrate

        return recalibrate(self.supernet.extract(candidate).to(self.device), self.calibration)

    @property
    def tracker(self) -> Tracker:
        """The MLflow tracker, opened at first use and closed with the run."""
        from autogc.tracking import Tracker

        if self._tracker is None:
            self._tracker = Tracker.open(self.experiment.tracking, self.directory, self.experiment)
        return self._tracker


def has_study(directory: str | Path) -> bool:
    """Return whether a search has begun in a run directory."""
    return (Path(directory) / "search" / "study.db").is_file()


def check_directory(directory: Path, experiment: Experiment) -> None:
    """Raise RunDirectoryError where ``directory`` can't be this experiment's run directory. Writes nothing."""
    if directory.exists() and not directory.is_dir():
        raise RunDirectoryError(f"{directory} is a file; a run needs a directory of its own")
    recorded = directory / EXPERIMENT
    if recorded.is_file():
        differing = diff_experiments(load_experiment(recorded), experiment, ignore=CHANGEABLE)
        if differing and _is_begun(directory):
            listed = "\n".join(f"  - {difference}" for difference in differing)
            may = ", ".join(CHANGEABLE)
            raise RunDirectoryError(
                f"{directory} belongs to another experiment; there -> here:\n{listed}\n"
                f"Use another --run-dir, or set these back. Only these keys may change within a run: {may}"
            )
    elif directory.is_dir() and _is_begun(directory):
        raise RunDirectoryError(f"{directory} is not empty and has no {EXPERIMENT}, so it is no run directory; use another --run-dir")


def _is_begun(directory: Path) -> bool:
    """Return whether anything is there but what a run leaves that was refused or killed at once: its lock and its experiment."""
    return not all(entry.name in (".lock", EXPERIMENT) or entry.match(f".{EXPERIMENT}.*.part") for entry in directory.iterdir())
