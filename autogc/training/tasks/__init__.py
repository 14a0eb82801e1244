"""What generators are trained for, one file a kind. A task is how its teacher is trained, and how what learns from the teacher is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autogc.config.experiment import Experiment, StudentsConfig
from autogc.data import Dataset
from autogc.errors import ConfigError, nearest
from autogc.training.tasks.imitation import ImitationObjective
from autogc.training.tasks.multi_domain import MultiDomainObjective
from autogc.training.tasks.objective import Generated, Objective, Situation, Teacher
from autogc.training.tasks.paired import EnlargingObjective, PairedObjective
from autogc.training.tasks.unconditional import UnconditionalObjective
from autogc.training.tasks.unpaired import CycleObjective, PseudoPairedObjective

__all__ = ["TASKS", "Generated", "Objective", "Situation", "Task", "Teacher", "task_of"]


@dataclass(frozen=True)
class Task:
    """The objective of a teacher, that of its students, and the kind of dataset that it needs."""

    teacher: type[Objective]
    student: type[Objective]
    kind: str


IMITATION = "imitation"
TASKS: dict[str, Task] = {
    "paired": Task(PairedObjective, PairedObjective, "paired"),
    "super_resolution": Task(EnlargingObjective, EnlargingObjective, "paired"),
    "unpaired": Task(CycleObjective, PseudoPairedObjective, "unpaired"),
    "unconditional": Task(UnconditionalObjective, UnconditionalObjective, "unconditional"),
    "multi_domain": Task(MultiDomainObjective, MultiDomainObjective, "domains"),
    # Of any kind: the dataset that the teacher's outputs are put into is paired.
    IMITATION: Task(ImitationObjective, ImitationObjective, "paired"),
}


def task_of(experiment: Experiment, data: Dataset) -> Task:
    """Return the task that the experiment names, or that its dataset is for. Raises ConfigError where the two don't go together."""
    name = experiment.task
    enlarging = data.kind == "paired" and data.input_shape[1:] != data.target_shape[1:]
    if data.kind == "inputs":
        raise ConfigError(
            f"task: {experiment.data.name!r} has inputs alone: say `task: {IMITATION}`, whose targets are the teacher's outputs"
        )
    if name is None:
        name = "super_resolution" if enlarging else next(name for name, task in TASKS.items() if task.kind == data.kind)
    if name not in TASKS:
        raise ConfigError(f"task: no task named {name!r}: {nearest(name, TASKS)}")
    task = TASKS[name]
    if task.kind != data.kind:
        fitting = ", ".join(other for other, one in TASKS.items() if one.kind == data.kind)
        raise ConfigError(f"task: {name!r} needs a dataset of kind {task.kind}, and {experiment.data.name!r} is {data.kind}: use {fitting}")
    if enlarging and issubclass(task.teacher, PairedObjective):
        raise ConfigError(
            f"task: {name!r} needs inputs of the targets' size, and those of {experiment.data.name!r} are smaller: use super_resolution"
        )
    if experiment.students == StudentsConfig():
        return task
    return replace(task, student=_learning_from(experiment.students, task.student))


def _learning_from(students: StudentsConfig, objective: type[Objective]) -> type[Objective]:
    """Return a student's objective that compares pictures with what the experiment says."""
    return type(objective.__name__, (objective,), {"students": students})
