"""Whether an experiment's task, dataset, networks and losses go together: told by running each network once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autogc.config.experiment import Experiment, LossWeights
from autogc.data import Dataset
from autogc.errors import ConfigError
from autogc.models import Verdict, as_verdict
from autogc.training.features import run_with_features
from autogc.training.stage import critic_size, example_input
from autogc.training.tasks import IMITATION, Task, task_of


def task_problems(experiment: Experiment, data: Dataset) -> list[str]:
    """Return whether the task is for this dataset, and which losses were given that it does not have."""
    try:
        task = task_of(experiment, data)
    except ConfigError as error:
        return list(error.problems)
    used = task.teacher.losses | task.student.losses
    usual = LossWeights()
    given = [
        name for name in experiment.losses.model_fields_set if name not in used and getattr(experiment.losses, name) != getattr(usual, name)
    ]
    students = experiment.losses.students.model_dump(exclude_none=True)
    given += [f"students.{name}" for name, value in students.items() if value and name not in task.student.losses]
    return (
        _small_batches(experiment, data)
        + _student_problems(experiment, data)
        + [f"losses.{name} has no effect on the task of this dataset ({data.kind}): leave it out" for name in sorted(given)]
    )


def _student_problems(experiment: Experiment, data: Dataset) -> list[str]:
    target = experiment.students.target
    if experiment.task == IMITATION and target is not None:
        return ["students.target: in imitation the teacher's outputs are the targets already: leave it out"]
    if data.kind != "paired" and target in ("truth", "both"):
        return [f"students.target: {target} needs a dataset that says the truth for each input, and this one is {data.kind}: teacher"]
    return []


def input_problems(experiment: Experiment, data: Dataset) -> list[str]:
    """Return whether the generator is said to take another input than the dataset gives."""
    said = experiment.generator.input_shape
    if said is None or said == tuple(data.input_shape):
        return []
    found = ", ".join(map(str, data.input_shape))
    return [f"generator.input_shape is {list(said)}, but the dataset {experiment.data.name!r} gives [{found}] (C, H, W); leave it out"]


def _small_batches(experiment: Experiment, data: Dataset) -> list[str]:
    """Domains to become are those of other pictures of the same part of a batch: there must be others."""
    found = []
    for stage in ("teacher", "supernet", "finetune") if data.kind == "domains" else ():
        config = getattr(experiment, stage)
        parts = experiment.workers * int(config.deepspeed.get("gradient_accumulation_steps", 1))
        if config.batch_size // parts < 2:
            found.append(
                f"{stage}.batch_size: {config.batch_size} over {parts} workers and accumulated passes leaves one picture at a time, which "
                f"could only be asked to become what it is: at least {2 * parts}"
            )
    return found


def network_problems(experiment: Experiment, data: Dataset, generator: nn.Module, discriminator: nn.Module | None) -> list[str]:
    """Run both networks (there may be no discriminator) once on an example; return what is wrong with what they make of it."""
    with torch.no_grad():
        problems = _generator_problems(experiment.generator.label, generator, data)
        if problems or discriminator is None:
            return problems
        return _critic_problems(experiment, data, discriminator, task_of(experiment, data))


def _generator_problems(label: str, generator: nn.Module, data: Dataset) -> list[str]:
    example, want = example_input(data), (1, *data.target_shape)
    sizes = f"an input of {' x '.join(map(str, data.input_shape))}"
    try:
        made = generator.eval()(example)
    except Exception as error:  # a user's forward may raise anything
        reason = "; ".join(error.problems) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
        return [f"generator {label!r} does not run on {sizes}: {reason}"]
    if not isinstance(made, Tensor) or tuple(made.shape) != want:
        found = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
        return [f"generator {label!r} makes {found} of {sizes}, not {want}"]
    return []


@torch.no_grad()
def teacher_problems(experiment: Experiment, data: Dataset, generator: nn.Module, teacher: nn.Module) -> list[str]:
    """Return what is wrong with a teacher of another kind than the supernet's generator, and where their layers differ in size."""
    problems = _generator_problems(experiment.teacher_generator.label, teacher, data)
    if problems:
        return [f"teacher.generator: {problem}" for problem in problems]
    layers = experiment.losses.distillation_layers, experiment.teacher_layers
    try:
        mine, theirs = (
            run_with_features(net, example_input(data), names)[1] for net, names in zip((generator, teacher), layers, strict=True)
        )
    except ConfigError as error:
        return [f"{problem} (generator has {', '.join(layers[0])}; teacher.generator {', '.join(layers[1])})" for problem in error.problems]
    return [
        f"teacher.distillation_layers: {other!r} is {list(wide.shape[2:])} and the generator's {name!r} {list(narrow.shape[2:])}: "
        "layers are matched place by place"
        for name, other, narrow, wide in zip(*layers, mine, theirs, strict=True)
        if narrow.shape[2:] != wide.shape[2:]
    ]


def _critic_problems(experiment: Experiment, data: Dataset, discriminator: nn.Module, task: Task) -> list[str]:
    height, width = critic_size(data)
    name, size = experiment.discriminator.name, f"images of {height} x {width}"
    try:
        found = as_verdict(discriminator.eval()(torch.zeros(1, task.teacher.critic_channels(data), height, width)))
    except (RuntimeError, ValueError) as error:
        return [f"discriminator {name!r} does not run on {size}: {error}"]
    finally:
        discriminator.train()
    problems = []
    asked = experiment.losses.feature_matching_weight or experiment.losses.of_students().feature_matching_weight
    if asked and not found.features:
        problems.append(f"losses.feature_matching_weight: the discriminator {name!r} gives no features; multi_scale does")
    if data.kind == "domains" and not _tells(found, len(data.domain_names)):
        problems.append(f"discriminator {name!r} does not tell the dataset's {len(data.domain_names)} domains apart; stargan does")
    return problems


def _tells(verdict: Verdict, domains: int) -> bool:
    return verdict.classes is not None and verdict.classes.shape[1:] == (domains,)
