"""The stages whole: teacher, supernet, fine-tuning and baseline in one process; killed, resumed, diverging, done."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_experiment import OPTIMIZATION, make_experiment

from autogc.compression import compress
from autogc.config.experiment import Experiment, Optimization
from autogc.errors import CheckpointError, ConfigError, DivergenceError, RunDirectoryError
from autogc.export import load_package
from autogc.files import sha256_file
from autogc.progress import Progress, Silent
from autogc.supernet.candidate import Candidate
from autogc.training import (
    build_supernet,
    distil_alone,
    finetune,
    load_adapters,
    load_supernet,
    load_teacher,
    newest_step,
    train_from_scratch,
    train_supernet,
    train_teacher,
)
from autogc.training.stage import build_data, example_input
from autogc.training.weights import save_weights

STAGES: dict[str, Callable[[Experiment, Path, Path, Progress], None]] = {
    "teacher": lambda e, stages, out, progress: train_teacher(e, out, progress=progress),
    "supernet": lambda e, stages, out, progress: train_supernet(e, stages / "teacher", out, progress=progress),
    "finetune": lambda e, stages, out, progress: finetune(
        e, stages / "teacher", stages / "export", out, discriminator=stages / "supernet" / "discriminator.safetensors", progress=progress
    ),
    "scratch": lambda e, stages, out, progress: train_from_scratch(
        e, stages / "export", out, optimization=Optimization(**OPTIMIZATION), progress=progress
    ),
    "alone": lambda e, stages, out, progress: distil_alone(
        e, stages / "teacher", stages / "export", out, discriminator=stages / "teacher" / "discriminator.safetensors", progress=progress
    ),
}


class Heard(Silent):
    """Remembers what was said, and raises Killed once ``kill_at`` steps are done."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.notes: list[str] = []
        self.started: list[tuple[str, int, int]] = []
        self.figures: list[tuple[int, dict[str, float]]] = []
        self._kill_at = kill_at

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        self.started.append((task, total, done))

    def update(self, done: int, **figures: float) -> None:
        self.figures.append((done, figures))
        if done == self._kill_at:
            raise Killed

    def note(self, text: str) -> None:
        self.notes.append(text)


class Killed(BaseException):
    pass


def weights_in(directory: Path) -> dict[str, str]:
    found = {path.name: sha256_file(path) for path in directory.glob("*.safetensors")}
    assert found
    return found


def test_every_stage_says_its_losses_and_writes_its_result(stages: Path) -> None:
    for stage in ("teacher", "supernet"):
        result = json.loads((stages / stage / "result.json").read_text())
        history = json.loads((stages / stage / "history.json").read_text())
        assert (result["steps"], result["workers"]) == (6, 1) and result["seconds"] > 0
        assert [row["step"] for row in history] == [2, 4, 6]
        learned = {"distillation"} if stage == "supernet" else set()
        assert set(result["losses"]) == {"loss", "adversarial", "reconstruction", "discriminator"} | learned
        assert not (stages / stage / "checkpoints").exists()
    assert json.loads((stages / "supernet" / "history.json").read_text())[0]["distillation"] > 0


@pytest.mark.parametrize("stage", list(STAGES))
def test_killed_and_resumed_is_bit_for_bit_uninterrupted(stage: str, experiment: Experiment, stages: Path, tmp_path: Path) -> None:
    run = STAGES[stage]
    run(experiment, stages, tmp_path / "whole", Silent())
    # Killed after step 4 is done and before its checkpoint: 2 is the newest, in the middle of nothing; then again after 4's.
    for _ in range(2):
        with pytest.raises(Killed):
            run(experiment, stages, tmp_path / "cut", Heard(kill_at=4))
        assert newest_step(tmp_path / "cut") == 2
        assert not (tmp_path / "cut" / "result.json").exists()
    heard = Heard()
    run(experiment, stages, tmp_path / "cut", heard)
    assert heard.started[0][1:] == (6, 2)
    assert weights_in(tmp_path / "cut") == weights_in(tmp_path / "whole")
    assert (tmp_path / "cut" / "history.json").read_text() == (tmp_path / "whole" / "history.json").read_text()


def test_a_window_of_losses_survives_a_kill_inside_it(tmp_path: Path, stages: Path) -> None:
    """Checkpoints every step, losses told every three: the open window must come back."""
    experiment = make_experiment(teacher={**OPTIMIZATION, "checkpoint_every": 1, "log_every": 3})
    train_teacher(experiment, tmp_path / "whole")

    class KilledAtFifth(Heard):
        def update(self, done: int, **figures: float) -> None:
            super().update(done, **figures)
            if done == 3:
                raise Killed

    with pytest.raises(Killed):
        train_teacher(experiment, tmp_path / "cut", progress=KilledAtFifth())
    assert newest_step(tmp_path / "cut") == 2
    train_teacher(experiment, tmp_path / "cut")
    assert (tmp_path / "cut" / "history.json").read_text() == (tmp_path / "whole" / "history.json").read_text()


def test_what_is_done_is_left_alone_and_what_is_anothers_is_refused(experiment: Experiment, stages: Path) -> None:
    before = (stages / "teacher" / "result.json").stat().st_mtime_ns
    heard = Heard()
    train_teacher(experiment, stages / "teacher", progress=heard)
    assert (stages / "teacher" / "result.json").stat().st_mtime_ns == before
    assert heard.started == [] and "already trained" in heard.notes[0]
    # What changes nothing in the result may change.
    train_teacher(make_experiment(teacher={**OPTIMIZATION, "log_every": 5, "checkpoint_every": 3}), stages / "teacher")
    with pytest.raises(RunDirectoryError, match="other settings"):
        train_teacher(make_experiment(seed=1), stages / "teacher")


def test_divergence_stops_at_once_and_keeps_the_last_good_checkpoint(
    experiment: Experiment, stages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autogc.training.tasks import objective

    calls: list[int] = []

    def poisoned(image: torch.Tensor, target: torch.Tensor, *, kind: Any) -> torch.Tensor:
        calls.append(1)
        return reconstruction(image, target, kind=kind) * (float("nan") if len(calls) == 4 else 1)

    reconstruction = objective.reconstruction
    monkeypatch.setattr(objective, "reconstruction", poisoned)
    with pytest.raises(DivergenceError, match=r"teacher training diverged at step 3: .*reconstruction is nan") as caught:
        train_teacher(experiment, tmp_path / "out")
    assert str(tmp_path / "out" / "checkpoints" / "step-000000002") in str(caught.value)
    assert newest_step(tmp_path / "out") == 2
    monkeypatch.undo()
    train_teacher(experiment, tmp_path / "out")
    assert weights_in(tmp_path / "out") == weights_in(stages / "teacher")


def test_a_rate_that_explodes_is_caught_before_a_checkpoint_of_it(tmp_path: Path) -> None:
    experiment = make_experiment(teacher={**OPTIMIZATION, "learning_rate": 1e30, "checkpoint_every": 1})
    with pytest.raises(DivergenceError, match=r"no checkpoint had been written yet|last good checkpoint"):
        train_teacher(experiment, tmp_path / "out")
    for path in (tmp_path / "out").glob("checkpoints/step-*/*.safetensors"):
        assert all(bool(tensor.isfinite().all()) for tensor in load_file(path).values())


def test_the_supernet_starts_as_the_teacher_and_loads_as_it_was_trained(experiment: Experiment, stages: Path, tmp_path: Path) -> None:
    data = build_data(experiment)
    x = example_input(data)
    teacher, fresh = load_teacher(experiment, data, stages / "teacher"), build_supernet(experiment, data, stages / "teacher")
    with torch.no_grad():
        torch.testing.assert_close(fresh.eval()(x, Candidate({})), teacher(x), rtol=1e-4, atol=1e-4)
    saved = load_file(stages / "supernet" / "supernet.safetensors")
    shutil.copytree(stages / "supernet", tmp_path / "moved")
    loaded = load_supernet(experiment, data, tmp_path / "moved").state_dict()
    assert set(saved) == set(loaded) and all(torch.equal(saved[name], loaded[name]) for name in saved)
    assert [one.out_channels for one in load_adapters(experiment, data, stages / "supernet").maps] == [32, 32]


def test_fine_tuning_writes_a_package_that_computes_with_compressed_weights(experiment: Experiment, stages: Path, tmp_path: Path) -> None:
    STAGES["finetune"](experiment, stages, tmp_path / "out", Silent())
    before, after = load_package(stages / "export"), load_package(tmp_path / "out")
    assert after.candidate == before.candidate and after.values == before.values and after.values
    assert after.costs == before.costs
    changed = [name for name, tensor in before.module.state_dict().items() if not torch.equal(tensor, after.module.state_dict()[name])]
    assert changed
    for name, values in after.values.items():
        weight = after.module.get_parameter(name)
        assert torch.equal(weight, compress(weight, values))
    assert after.provenance["training"]["how"] == "fine-tuned"


def test_fine_tuning_goes_on_from_the_supernets_feature_maps(experiment: Experiment, stages: Path, tmp_path: Path) -> None:
    """With no steps worth of learning, the maps that are written are the supernet's, of the channels that the subnet has."""
    still = make_experiment(finetune={**OPTIMIZATION, "learning_rate": 1e-30})
    STAGES["finetune"](still, stages, tmp_path / "with", Silent())
    data, package = build_data(experiment), load_package(stages / "export")
    supernet, full = load_supernet(experiment, data, stages / "supernet"), load_adapters(experiment, data, stages / "supernet")
    written = load_file(tmp_path / "with" / "adapters.safetensors")
    for position, layer in enumerate(experiment.losses.distillation_layers):
        kept = supernet.watched_index(layer, package.candidate)
        assert len(kept) < full.maps[position].in_channels
        assert torch.equal(written[f"maps.{position}.weight"], full.maps[position].weight[:, kept])
    shutil.copy(stages / "supernet" / "discriminator.safetensors", tmp_path)
    heard = Heard()
    finetune(
        still,
        stages / "teacher",
        stages / "export",
        tmp_path / "without",
        discriminator=tmp_path / "discriminator.safetensors",
        progress=heard,
    )
    assert "feature maps start anew" in heard.notes[0]
    assert not torch.equal(load_file(tmp_path / "without" / "adapters.safetensors")["maps.0.weight"], written["maps.0.weight"])


def test_from_scratch_starts_from_fresh_weights(experiment: Experiment, stages: Path, tmp_path: Path) -> None:
    still = Optimization(**{**OPTIMIZATION, "steps": 1, "learning_rate": 1e-30})
    train_from_scratch(experiment, stages / "export", tmp_path / "out", optimization=still)
    before, after = load_package(stages / "export"), load_package(tmp_path / "out")
    for name, parameter in before.module.named_parameters():
        if parameter.ndim > 1:
            assert not torch.equal(parameter, after.module.get_parameter(name)), name
    history = json.loads((tmp_path / "out" / "history.json").read_text())
    assert "distillation" not in history[-1]


def test_distilled_alone_starts_from_fresh_weights_and_is_taught(stages: Path, tmp_path: Path) -> None:
    still = make_experiment(finetune={**OPTIMIZATION, "steps": 1, "learning_rate": 1e-30})
    heard = Heard()

    def distilled(out: str, **given: Any) -> dict[str, torch.Tensor]:
        discriminator = stages / "teacher" / "discriminator.safetensors"
        distil_alone(still, stages / "teacher", stages / "export", tmp_path / out, discriminator=discriminator, progress=heard, **given)
        return load_file(tmp_path / out / "weights.safetensors")

    first, same, other = distilled("first"), distilled("same", seed=still.seed), distilled("other", seed=1)
    before = load_package(stages / "export").module
    for name, parameter in before.named_parameters():
        assert torch.equal(first[name], same[name]), name
        if parameter.ndim > 1:
            assert not torch.equal(parameter, first[name]) and not torch.equal(first[name], other[name]), name
    history = json.loads((tmp_path / "first" / "history.json").read_text())
    assert history[-1]["distillation"] > 0
    assert not any("start anew" in note for note in heard.notes)
    maps = [load_file(tmp_path / out / "adapters.safetensors")["maps.0.weight"] for out in ("first", "other")]
    assert not torch.equal(*maps)


def imported(stages: Path, **checkpoints: Any) -> Experiment:
    return make_experiment(teacher={**OPTIMIZATION, **{name: str(path) for name, path in checkpoints.items()}})


def test_a_teacher_from_a_checkpoint_is_not_trained(stages: Path, tmp_path: Path) -> None:
    state = load_file(stages / "teacher" / "generator.safetensors")
    torch.save(state, tmp_path / "G.pth")
    experiment = imported(stages, checkpoint=tmp_path / "G.pth", discriminator_checkpoint=stages / "teacher" / "discriminator.safetensors")
    heard = Heard()
    train_teacher(experiment, tmp_path / "out", progress=heard)
    assert heard.started == []
    assert weights_in(tmp_path / "out") == weights_in(stages / "teacher")
    assert json.loads((tmp_path / "out" / "result.json").read_text())["steps"] == 0
    train_teacher(experiment, tmp_path / "out", progress=heard)
    save_weights(tmp_path / "G.safetensors", {name: tensor + 1 for name, tensor in state.items()})
    with pytest.raises(RunDirectoryError):
        train_teacher(imported(stages, checkpoint=tmp_path / "G.safetensors"), tmp_path / "out")


def test_a_checkpoint_that_does_not_fit_is_refused_with_the_names(stages: Path, tmp_path: Path) -> None:
    experiment = imported(stages, checkpoint=stages / "teacher" / "discriminator.safetensors")
    with pytest.raises(CheckpointError, match=r"missing: stem\.conv\.weight.*unexpected: model\.0"):
        train_teacher(experiment, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_package_of_other_inputs_is_refused(stages: Path, tmp_path: Path) -> None:
    experiment = make_experiment()
    package = load_package(stages / "export")
    from autogc.training.finetune import check_package_fits

    data = build_data(experiment)
    check_package_fits(package, data)
    channels, height, width = data.input_shape
    for shape in ((channels + 1, height, width), (channels, 2 * height, width)):
        with pytest.raises(ConfigError, match="made and costed for inputs of"):
            check_package_fits(package, dataclasses.replace(data, input_shape=shape))


@pytest.mark.parametrize(
    "deepspeed", [{"bf16": {"enabled": True}}, {"zero_optimization": {"stage": 2}, "gradient_accumulation_steps": 2}], ids=str
)
def test_a_users_deepspeed_configuration_trains_the_supernet(deepspeed: dict[str, Any], stages: Path, tmp_path: Path) -> None:
    training = {**OPTIMIZATION, "decompose": ["blocks.*"], "sampling": "random", "accept_trivial": True}
    experiment = make_experiment(supernet={**training, "deepspeed": deepspeed})
    with pytest.raises(Killed):
        train_supernet(experiment, stages / "teacher", tmp_path / "out", progress=Heard(kill_at=4))
    train_supernet(experiment, stages / "teacher", tmp_path / "out")
    state = load_file(tmp_path / "out" / "supernet.safetensors")
    before = build_supernet(experiment, build_data(experiment), stages / "teacher").state_dict()
    assert all(tensor.dtype == before[name].dtype for name, tensor in state.items())
    moved = max(float((tensor - before[name]).abs().max()) for name, tensor in state.items())
    # Adam moves an element by at most about its rate a step: six steps of 2e-4, the last three decaying.
    assert 2e-4 < moved < 6 * 2e-4 * 1.5


def test_a_kill_while_the_package_is_written_keeps_the_checkpoints(
    experiment: Experiment, stages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*args: Any, **kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(import_module("autogc.training.finetune"), "finish", kill)
        with pytest.raises(Killed):
            STAGES["finetune"](experiment, stages, tmp_path / "cut", Silent())
    assert newest_step(tmp_path / "cut") == 4
    heard = Heard()
    STAGES["finetune"](experiment, stages, tmp_path / "cut", heard)
    assert heard.started[0][1:] == (6, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut"]
    load_package(tmp_path / "cut")


def test_in_bf16_the_float32_masters_are_what_is_written(stages: Path, tmp_path: Path) -> None:
    """Latent weights that aren't compressed: those that were only rounded to bf16 would have 16 zero bits."""
    brief = {**OPTIMIZATION, "steps": 2, "deepspeed": {"bf16": {"enabled": True}}}
    STAGES["finetune"](make_experiment(finetune=brief), stages, tmp_path / "out", Silent())
    bias = load_package(tmp_path / "out").module.get_parameter("head.conv.layer.bias").detach()
    assert not torch.equal(bias, bias.bfloat16().float())
