"""Averaged weights: against arithmetic, under every ZeRO stage, through kills."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_engine import STEPS, build, engine, inputs, train
from test_training_stages import STAGES as TRAININGS
from test_training_stages import Heard, Killed, weights_in
from tiny_experiment import OPTIMIZATION, make_experiment
from torch import Tensor

from autogc.config.experiment import Optimization
from autogc.progress import Silent
from autogc.training import train_teacher
from autogc.training.average import WeightAverage, _running_statistics
from autogc.training.engine import Engine

WAYS = [
    {"zero_optimization": {"stage": 0}},
    {"zero_optimization": {"stage": 1}},
    {"zero_optimization": {"stage": 2}},
    {"bf16": {"enabled": True}},
]

AVERAGED = [name for name, _ in build().named_parameters()] + ["1.running_mean", "1.running_var"]


def trainer_of(made: Engine) -> Any:
    return SimpleNamespace(generator=made)


def averaged(made: Engine, average: WeightAverage, steps: range) -> list[dict[str, Tensor]]:
    """Train and average; return the weights after every step."""
    found = []
    for step in steps:
        train(made, range(step, step + 1))
        average(trainer_of(made), step + 1)
        found.append(made.tensors())
    return found


@pytest.mark.parametrize("deepspeed", WAYS, ids=str)
@pytest.mark.parametrize("decay", [0.15, 0.999])
def test_the_average_is_the_formulas(deepspeed: dict[str, Any], decay: float) -> None:
    with engine(build(), **deepspeed) as made:
        average = WeightAverage(decay)
        average(trainer_of(made), 0)
        expected = {name: tensor.double() for name, tensor in made.tensors().items()}
        passed = averaged(made, average, range(STEPS))
        for step, weights in enumerate(passed):
            d = min(decay, (1 + step) / (10 + step))
            expected = {name: d * value + (1 - d) * weights[name].double() for name, value in expected.items()}
        found, after = average.tensors(), made.tensors()
    for name in AVERAGED:
        torch.testing.assert_close(found[name].double(), expected[name], rtol=1e-5, atol=1e-7)
    assert not torch.equal(found["0.weight"], after["0.weight"])
    # Averaged weights with the statistics of the last ones would be a network that nobody trained.
    assert not torch.equal(found["1.running_var"], after["1.running_var"])
    assert set(found) - set(AVERAGED) == {"1.num_batches_tracked"}
    assert torch.equal(found["1.num_batches_tracked"], after["1.num_batches_tracked"])


def test_a_norm_of_two_names_has_its_statistics_averaged_under_both() -> None:
    norm = torch.nn.BatchNorm2d(2)
    assert [name for name, _ in _running_statistics(torch.nn.Sequential(norm, norm))] == [
        f"{place}.{kind}" for place in (0, 1) for kind in ("running_mean", "running_var")
    ]


def test_a_checkpoint_without_averaged_statistics_begins_with_those_of_its_last_weights() -> None:
    with engine(build()) as made:
        average = WeightAverage(0.9)
        average(trainer_of(made), 0)
        averaged(made, average, range(3))
        tensors = {name: tensor for name, tensor in average.state()[0].items() if "running" not in name}
        resumed = WeightAverage(0.9)
        resumed.load_state(trainer_of(made), tensors, {})
        last, found = made.tensors(), resumed.tensors()
    assert torch.equal(found["1.running_var"], last["1.running_var"])
    torch.testing.assert_close(found["0.weight"], tensors["0.weight"])


@pytest.mark.parametrize("deepspeed", WAYS, ids=str)
def test_averaging_and_reading_leave_the_training_bit_for_bit(deepspeed: dict[str, Any]) -> None:
    with engine(build(), **deepspeed) as plain, engine(build(), **deepspeed) as watched:
        train(plain, range(STEPS))
        average = WeightAverage(0.9)
        average(trainer_of(watched), 0)
        for step in range(STEPS):
            averaged(watched, average, range(step, step + 1))
            average.tensors()
        expected, found = plain.tensors(), watched.tensors()
        torch.testing.assert_close(watched(inputs(9)), plain(inputs(9)), rtol=0, atol=0)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("other", WAYS, ids=str)
@pytest.mark.parametrize("deepspeed", WAYS, ids=str)
def test_its_state_goes_on_under_any_stage(deepspeed: dict[str, Any], other: dict[str, Any]) -> None:
    with engine(build(), **deepspeed) as first, engine(build(1), **other) as second:
        before, after = WeightAverage(0.9), WeightAverage(0.9)
        before(trainer_of(first), 0)
        averaged(first, before, range(3))
        tensors, data = before.state()
        assert set(tensors) == set(AVERAGED)
        second.load_state(*first.state())
        weights = second.tensors()
        after.load_state(trainer_of(second), tensors, data)
        assert all(torch.equal(after.tensors()[name], tensors[name]) for name in tensors)
        assert all(torch.equal(second.tensors()[name], weights[name]) for name in weights)


def test_the_decay_is_checked() -> None:
    with pytest.raises(ValueError, match="between 0 and 1, got 1"):
        WeightAverage(1)


@pytest.mark.parametrize(
    ("stage", "deepspeed"),
    [("teacher", {}), ("supernet", {"bf16": {"enabled": True}}), ("finetune", {}), ("scratch", {})],
    ids=["teacher", "supernet in bf16", "finetune", "scratch"],
)
def test_a_stage_writes_the_average_and_a_killed_one_the_same(
    stage: str, deepspeed: dict[str, Any], stages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**OPTIMIZATION, "average": 0.9, "deepspeed": deepspeed}
    supernet = {**settings, "decompose": ["blocks.*"], "sampling": "sandwich", "accept_trivial": True}
    # The supernet's own keys decide how the subnet's feature maps are read: fine-tuning keeps those of the fixture.
    changes = {"teacher": settings, "finetune": settings} | ({"supernet": supernet} if stage == "supernet" else {})
    experiment = make_experiment(**changes)
    run = TRAININGS[stage]
    if stage == "scratch":
        monkeypatch.setitem(OPTIMIZATION, "average", 0.9)
        monkeypatch.setitem(OPTIMIZATION, "deepspeed", deepspeed)
    run(experiment, stages, tmp_path / "whole", Silent())
    with pytest.raises(Killed):
        run(experiment, stages, tmp_path / "cut", Heard(kill_at=4))
    run(experiment, stages, tmp_path / "cut", Silent())
    assert weights_in(tmp_path / "cut") == weights_in(tmp_path / "whole")
    if stage == "teacher" and not deepspeed:
        # The same training (the losses say so), other weights; the discriminator, which is not averaged, is the same.
        last, averaged = (load_file(directory / "generator.safetensors") for directory in (stages / "teacher", tmp_path / "whole"))
        assert not torch.equal(last["stem.conv.weight"], averaged["stem.conv.weight"])
        assert (tmp_path / "whole" / "history.json").read_text() == (stages / "teacher" / "history.json").read_text()
        assert weights_in(tmp_path / "whole")["discriminator.safetensors"] == weights_in(stages / "teacher")["discriminator.safetensors"]


def test_an_identity_of_before_stays_what_it_was(stages: Path) -> None:
    """A result that was made before there was averaging is the result of the same experiment read today."""
    from autogc.files import read_json, sha256_json
    from autogc.training.stage import build_data

    experiment = make_experiment()
    config = experiment.teacher.model_dump(
        mode="json", exclude={"checkpoint_every", "log_every", "average", "optimizer", "generator", "distillation_layers"}
    )
    parts = {key: experiment.model_dump(mode="json")[key] for key in ("seed", "task", "discriminator", "losses")}
    for later in ("terms", "students"):
        del parts["losses"][later]
    then = {"config": config, "data": build_data(experiment).fingerprint, "inputs": {}, **parts, "generator": experiment.generator.identity}
    assert read_json(stages / "teacher" / "result.json")["identity"] == sha256_json(then)


def test_another_average_is_another_training(stages: Path, tmp_path: Path) -> None:
    from autogc.errors import RunDirectoryError

    with pytest.raises(RunDirectoryError, match="other settings"):
        train_teacher(make_experiment(teacher={**OPTIMIZATION, "average": 0.9}), stages / "teacher")
    assert Optimization(steps=1).average is None
