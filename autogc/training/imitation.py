"""Imitation: the teacher's own outputs are the targets. They are made once, beside the teacher, and everything reads them from there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn

from autogc.config.experiment import Experiment
from autogc.data import Dataset, Split, open_data
from autogc.data.imitated import Growth, ImitatedDataset, OutputList, imitated, kept, outputs_alone
from autogc.data.inputs import NoiseInput
from autogc.data.packed.dataset import parquet
from autogc.data.packed.write import pack
from autogc.data.samples import Pictures
from autogc.errors import CheckpointError, ConfigError, DataError
from autogc.files import sha256_file, sha256_json
from autogc.models import build_generator_component
from autogc.progress import Progress
from autogc.training.randomness import seeded
from autogc.training.tasks import IMITATION
from autogc.training.weights import load_weights

# Under the teacher's directory.
OUTPUTS = "outputs"


def imitates(experiment: Experiment) -> bool:
    """Return whether the experiment's targets are its teacher's outputs."""
    return experiment.task == IMITATION


def imitated_data(experiment: Experiment, *, teacher: str | Path | None = None) -> ImitatedDataset:
    """Return the experiment's dataset with the outputs of ``teacher.checkpoint`` as its targets.

    Nothing is run but the generator, once, on an example, which tells the outputs' size. The outputs themselves are read from the directory
    ``teacher`` once ``write_outputs`` has written them there; where they are not, they are made when they are first asked for. Asked again
    for the same, the same object is returned.

    Raises ConfigError where the generator does not run on the inputs or does not make images a whole number of times as large;
    CheckpointError without the checkpoint; DataError for the inputs.
    """
    described = experiment.model_dump(mode="json", include={"seed", "data", "generator", "teacher", "device"})
    return _imitated(json.dumps(described, sort_keys=True), _Key(experiment), None if teacher is None else Path(teacher))


def write_outputs(experiment: Experiment, directory: Path, progress: Progress) -> None:
    """Write what the teacher makes of every sample to ``directory/outputs``, as shards with their hashes, whole or not at all; a kill
    loses nothing of what was made.

    What is there already is left as it is. Raises DataError where it is of another teacher or other inputs.
    """
    data = imitated_data(experiment)
    if (directory / OUTPUTS).is_dir():
        _stored(directory / OUTPUTS, data.fingerprint)
        return
    assert data.given is not None
    maker = _Maker(experiment, data.given)
    growth = _growth(experiment, data.given)
    # What a kill leaves is gone on with, unless it is of another teacher or of other inputs.
    scratch = directory / f".{OUTPUTS}-{data.fingerprint[:16]}"
    alone = outputs_alone(
        data.given,
        lambda split: OutputList(split, maker, growth, scratch=scratch / split.name),
        growth,
        description=f"outputs of {_named(experiment)}",
        fingerprint=data.fingerprint,
    )
    pack(alone, directory / OUTPUTS, progress=_Told(progress))
    for left in directory.glob(f".{OUTPUTS}-*"):
        shutil.rmtree(left)


class _Key:
    """Carries an experiment past ``lru_cache``, which compares the text beside it."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=2)
def _imitated(described: str, key: _Key, teacher: Path | None) -> ImitatedDataset:
    experiment = key.experiment
    given = open_data(experiment.data, seed=experiment.seed)
    growth = _growth(experiment, given)
    fingerprint = sha256_json(
        {
            "imitation": {
                "inputs": given.fingerprint,
                "generator": experiment.teacher_generator.identity,
                "teacher": _weights_hash(experiment, teacher),
            }
        }
    )
    maker = _Maker(experiment, given)

    def outputs(split: Split, progress: Progress) -> Pictures:
        if teacher is not None and (teacher / OUTPUTS).is_dir():
            stored: Split = getattr(_stored(teacher / OUTPUTS, fingerprint), split.name)
            with _undamaged(teacher / OUTPUTS):
                return stored.load(progress).targets
        return kept(OutputList(split, maker, growth), progress, what=f"making the teacher's outputs: {split.name}")

    return imitated(given, growth, outputs=outputs, teacher=_named(experiment), fingerprint=fingerprint)


def _named(experiment: Experiment) -> str:
    checkpoint = experiment.teacher.checkpoint
    return f"the teacher ({experiment.teacher_generator.label}{'' if checkpoint is None else f', {Path(checkpoint).name}'})"


def _weights_hash(experiment: Experiment, teacher: Path | None) -> str:
    """Return the SHA-256 of the teacher's checkpoint: the file's, or what the teacher's directory says of it once that is written."""
    checkpoint = experiment.teacher.checkpoint
    assert checkpoint is not None, "the schema asks for it"
    result = None if teacher is None else teacher / "result.json"
    if result is not None and result.is_file():
        return str(json.loads(result.read_text())["sources"]["checkpoint"])
    if not Path(checkpoint).is_file():
        raise CheckpointError(f"there is no checkpoint {checkpoint}: imitation needs the generator's trained weights (teacher.checkpoint)")
    return sha256_file(checkpoint)


def _stored(directory: Path, fingerprint: str) -> Dataset:
    with _undamaged(directory):
        found = parquet(root=str(directory.resolve()), seed=0)
    if found.fingerprint != fingerprint:
        raise DataError(f"{directory} holds the outputs of another teacher, or for other inputs: {_again(directory)}")
    return found


@contextmanager
def _undamaged(directory: Path) -> Iterator[None]:
    """Say what helps, where what is read from ``directory`` can't be used."""
    try:
        yield
    except (DataError, pa.ArrowException, OSError) as error:
        raise DataError(f"the teacher's outputs are damaged: {error}; {_again(directory)}") from error


def _again(directory: Path) -> str:
    return f"remove {directory} and {directory.parent / 'result.json'}, and the same command makes them again"


def _build(experiment: Experiment, given: Dataset) -> nn.Module:
    with seeded(experiment.seed, "generator"):
        return build_generator_component(
            experiment.teacher_generator,
            in_channels=given.input_channels,
            out_channels=given.target_channels,
            offered={"height": given.height, "width": given.width},
        )


class _Maker:
    """The teacher, built and loaded when its first output is asked for."""

    def __init__(self, experiment: Experiment, given: Dataset) -> None:
        self._experiment = experiment
        self._given = given
        self._teacher: nn.Module | None = None

    def __call__(self, inputs: Tensor) -> Tensor:
        if self._teacher is None:
            checkpoint = self._experiment.teacher.checkpoint
            assert checkpoint is not None
            teacher = _build(self._experiment, self._given)
            load_weights(teacher, checkpoint, what="the generator")
            self._teacher = teacher.to(self._device).eval()
        made: Tensor = self._teacher(inputs.to(self._device))
        return made

    @property
    def _device(self) -> torch.device:
        wanted = self._experiment.device
        return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted)


def _growth(experiment: Experiment, given: Dataset) -> Growth:
    """Return how the generator's outputs are larger than its inputs, by running it once with fresh weights."""
    generator = _build(experiment, given).eval()
    label, shape = experiment.teacher_generator.label, given.input_shape
    sizes = f"an input of {' x '.join(map(str, shape))}"
    try:
        with torch.no_grad():
            made: Any = generator(torch.zeros(1, *shape))
    except Exception as error:  # a user's forward may raise anything
        reason = "; ".join(error.problems) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
        raise ConfigError(f"generator {label!r} does not run on {sizes}: {reason}") from error
    if not isinstance(made, Tensor) or made.ndim != 4 or len(made) != 1 or made.shape[1] not in (1, 3):
        found = f"a tensor of shape {tuple(made.shape)}" if isinstance(made, Tensor) else f"a {type(made).__name__}"
        raise ConfigError(f"generator {label!r} makes {found} of {sizes}; it must make images (N, 3 or 1, H, W)")
    channels, height, width = made.shape[1:]
    if isinstance(given.train.input, NoiseInput):
        return Growth(channels, 1, fixed=(height, width))
    scale = height // shape[1]
    if scale < 1 or (height, width) != (scale * shape[1], scale * shape[2]):
        raise ConfigError(
            f"generator {label!r} makes images of {height} x {width} of {sizes}: imitation needs outputs a whole number of times as "
            "large as the inputs: pad or crop in the generator"
        )
    return Growth(channels, scale)


class _Told:
    """Progress of the packing, told as what it is: the teacher at work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        self._progress.start(
            f"making the teacher's outputs: {task.removeprefix('packing ').removesuffix('/samples')}", total=total, done=done
        )

    def update(self, done: int, **figures: float) -> None:
        self._progress.update(done, **figures)

    def note(self, text: str) -> None:
        self._progress.note(text)
