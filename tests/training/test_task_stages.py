"""Every task through teacher, supernet and fine-tuning; killed and resumed, bit for bit."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_tasks import TASKS, make_task_experiment

from autogc.config.experiment import Optimization
from autogc.cost import CostModel
from autogc.export import load_package, write_package
from autogc.files import sha256_file
from autogc.models import completed
from autogc.progress import Silent
from autogc.supernet import Space
from autogc.training import finetune, load_supernet, load_teacher, train_from_scratch, train_supernet, train_teacher
from autogc.training.stage import build_data, example_input, given_to_generator

LOSSES = {
    "unpaired": {"adversarial_back", "cycle", "identity", "discriminator_back"},
    "unconditional": set(),
    "multi_domain": {"classification", "cycle", "penalty", "classification_real"},
    "super_resolution": {"reconstruction"},
    "semantic": {"feature_matching", "reconstruction"},
    # Their teachers are taken from checkpoints, and no discriminator is trained.
    "imitation": set(),
    "imitated_enlargement": set(),
    "imitated_noise": set(),
    "imitated_domains": set(),
}


class Killed(BaseException):
    pass


class KilledAfter(Silent):
    def __init__(self, steps: int) -> None:
        self._steps = steps

    def update(self, done: int, **figures: float) -> None:
        if figures and done == self._steps:
            raise Killed


def weights_in(directory: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in directory.glob("*.safetensors")}


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_task_goes_through_every_training_stage(task: str, tmp_path: Path) -> None:
    experiment = make_task_experiment(task, tmp_path / "data")
    train_teacher(experiment, tmp_path / "teacher")
    result = json.loads((tmp_path / "teacher" / "result.json").read_text())
    imitated = experiment.task == "imitation"
    assert set(result["losses"]) == (set() if imitated else {"loss", "adversarial", "discriminator"} | LOSSES[task])
    ways = {"generator"} if imitated else {"generator", "discriminator"}
    ways |= {"generator_back", "discriminator_back"} if task == "unpaired" else set()
    assert {path.stem for path in (tmp_path / "teacher").glob("*.safetensors")} == ways

    if not imitated:
        with pytest.raises(Killed):
            train_teacher(experiment, tmp_path / "again", progress=KilledAfter(4))
        assert not (tmp_path / "again" / "result.json").exists()
        train_teacher(experiment, tmp_path / "again")
        assert weights_in(tmp_path / "again") == weights_in(tmp_path / "teacher")

    train_supernet(experiment, tmp_path / "teacher", tmp_path / "supernet")
    if imitated:
        with pytest.raises(Killed):
            train_supernet(experiment, tmp_path / "teacher", tmp_path / "supernet_again", progress=KilledAfter(4))
        assert (tmp_path / "supernet_again" / "checkpoints").is_dir() and not (tmp_path / "supernet_again" / "result.json").exists()
        train_supernet(experiment, tmp_path / "teacher", tmp_path / "supernet_again")
        assert weights_in(tmp_path / "supernet_again") == weights_in(tmp_path / "supernet")
        assert not list(tmp_path.rglob("discriminator*"))
    data = build_data(experiment, teacher=tmp_path / "teacher")
    supernet = load_supernet(experiment, data, tmp_path / "supernet")
    learned = load_file(tmp_path / "supernet" / "supernet.safetensors")
    start = load_teacher(experiment, data, tmp_path / "teacher").state_dict()
    assert any(name.endswith("weight") for name in learned) and start
    space = Space.build(experiment.space, supernet)
    candidate = space.candidate(space.smallest())
    write_package(
        tmp_path / "export",
        supernet=supernet,
        candidate=candidate,
        generator=completed(experiment.generator, **given_to_generator(data)),
        input_shape=(1, *data.input_shape),
        costs=CostModel(supernet, space).costs(candidate),
        scores={},
        experiment=experiment.model_dump(mode="json"),
        provenance={},
    )
    discriminator = tmp_path / "supernet" / "discriminator.safetensors"
    given = {"supernet": tmp_path / "supernet"} if imitated else {"discriminator": discriminator}
    finetune(experiment, tmp_path / "teacher", tmp_path / "export", tmp_path / "finetune", **given)
    optimization = Optimization(steps=1, batch_size=2)
    train_from_scratch(experiment, tmp_path / "export", tmp_path / "scratch", optimization=optimization, teacher=tmp_path / "teacher")
    for directory in ("finetune", "scratch"):
        package = load_package(tmp_path / directory)
        with torch.no_grad():
            made = package.module(example_input(data))
        assert made.shape == (1, *data.target_shape) and bool(made.isfinite().all())
