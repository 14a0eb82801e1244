"""What a run would do, said without doing any of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autogc.config.experiment import Experiment
from autogc.pipeline.check import check
from autogc.pipeline.run import Run, check_directory, has_study
from autogc.pipeline.stages import STAGES
from autogc.progress import Progress, Silent
from autogc.supernet.candidate import Candidate

# Candidates that the share of allowed ones is taken of, in a space that has more.
SAMPLES = 20_000


@dataclass(frozen=True)
class Plan:
    """The result of a dry run.

    ``size`` is the number of different subnets, ``share`` (0 to 1) the part of them that the constraints allow, as far as costs can be
    counted: exact, or of a uniform sample. ``teacher``, ``largest`` and ``smallest`` map cost names to values; ``stages`` says what each
    stage would do, ``downloads`` what would be downloaded first.
    """

    experiment: str
    directory: Path
    data: str
    decisions: Mapping[str, tuple[object, ...]]
    size: int
    share: float
    share_is_exact: bool
    teacher: Mapping[str, int]
    largest: Mapping[str, int]
    smallest: Mapping[str, int]
    stages: Mapping[str, str]
    downloads: tuple[str, ...] = ()


def make_plan(directory: str | Path, experiment: Experiment, *, progress: Progress | None = None) -> Plan:
    """Check everything that a run needs and say what it would do. Trains nothing and writes nothing.

    Raises what ``check`` raises, and RunDirectoryError where the directory belongs to another experiment.
    """
    directory = Path(directory)
    check_directory(directory, experiment)
    checked = check(experiment, progress=progress, begun=has_study(directory))
    costs, space = checked.costs, checked.space
    run = Run(directory, experiment, lock=None, address=None, progress=progress or Silent())
    return Plan(
        experiment=experiment.name,
        directory=directory,
        data=checked.data.description,
        decisions={decision.name: decision.values for decision in space.decisions},
        size=space.size,
        share=costs.feasible_share(experiment.search.cost_limits, samples=SAMPLES, seed=experiment.seed),
        share_is_exact=space.size <= SAMPLES,
        teacher=checked.teacher_costs or costs.costs(Candidate({})),
        largest=costs.costs(space.candidate(space.largest())),
        smallest=costs.costs(space.candidate(space.smallest())),
        stages={stage.name: stage.outlook(run) for stage in STAGES},
        downloads=tuple(map(str, checked.downloads)),
    )
