"""The teacher's outputs as targets, the losses that need no discriminator, and what students are compared with."""

import importlib.util
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_experiment import OPTIMIZATION, make_experiment
from tiny_tasks import make_task_experiment
from torch import Tensor

from autogc.config.experiment import Experiment, ScoresConfig, StudentsConfig
from autogc.config.load import load_experiment
from autogc.data import Batch, training_batches
from autogc.data.imitated import ImitatedDataset
from autogc.data.packed.write import pack
from autogc.errors import AutogcError, CheckpointError, ConfigError, DataError
from autogc.files import sha256_file
from autogc.metrics import Judge
from autogc.models import build_generator_component
from autogc.pipeline import check
from autogc.pipeline.check_networks import task_problems
from autogc.progress import Silent
from autogc.training import train_supernet, train_teacher
from autogc.training.imitation import _Maker, imitated_data, write_outputs
from autogc.training.stage import asks_discriminator, build_data, build_generator
from autogc.training.tasks import task_of
from autogc.training.weights import load_weights

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


def read(path: Path, *, largest: int | None = None) -> Tensor:
    pixels = np.asarray(Image.open(path).convert("RGB"))[:largest, :largest]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def saved(images: Tensor) -> Tensor:
    """What is read back of images that were saved with 8 bits."""
    return (images.clamp(-1, 1).add(1).mul(127.5)).round().div(127.5).sub(1)


def test_targets_are_the_teachers_outputs_for_whole_images_and_crops_come_out_of_those(tmp_path: Path) -> None:
    experiment = make_task_experiment("imitated_enlargement", tmp_path / "data")
    data = build_data(experiment)
    assert (data.kind, data.input_shape, data.target_shape) == ("paired", (3, 16, 16), (3, 32, 32))
    assert "not the truth" in data.description
    teacher = build_generator(experiment, data).eval()
    load_weights(teacher, str(experiment.teacher.checkpoint), what="the generator")
    expected = {}
    for path in sorted((tmp_path / "data" / "train").glob("*.png")):
        with torch.no_grad():
            expected[path.stem] = saved(teacher(read(path, largest=24)))[0]
    assert {tuple(one.shape[1:]) for one in expected.values()} == {(40, 40), (48, 48)}
    # A batch norm would differ between a crop and its image; so does a border, which this crop doesn't have in the image.
    (batch,) = islice(training_batches(data.train, 6, 0), 1)
    for low, high, name in zip(batch.input, batch.target, batch.names, strict=True):
        whole, given = expected[name], read(tmp_path / "data" / "train" / f"{name}.png", largest=24)[0]
        places = [
            (top, left)
            for top in range(given.shape[1] - 15)
            for left in range(given.shape[2] - 15)
            if torch.equal(given[:, top : top + 16, left : left + 16], low)
        ]
        ((top, left),) = places
        torch.testing.assert_close(high, whole[:, 2 * top : 2 * top + 32, 2 * left : 2 * left + 32], atol=2.1 / 255, rtol=0)
    (first, *_) = data.test.batches(1)
    with torch.no_grad():
        torch.testing.assert_close(first.target, saved(teacher(first.input)), atol=1e-6, rtol=0)


def test_what_domains_and_noise_ask_for_is_what_the_teacher_was_given(tmp_path: Path) -> None:
    for task in ("imitated_domains", "imitated_noise"):
        experiment = make_task_experiment(task, tmp_path / task)
        data = build_data(experiment)
        teacher = build_generator(experiment, data).eval()
        load_weights(teacher, str(experiment.teacher.checkpoint), what="the generator")
        (batch,) = islice(training_batches(data.train, len(data.train), 0), 1)
        with torch.no_grad():
            torch.testing.assert_close(batch.target, saved(teacher(batch.input)), atol=2.1 / 255, rtol=0)
        assert len({tuple(one.flatten()[:4].tolist()) for one in batch.input}) == len(data.train)
        assert not data.train.mirror  # a flipped input has another output


def test_outputs_are_written_once_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = make_task_experiment("imitated_enlargement", tmp_path / "data")
    teacher = tmp_path / "teacher"

    class Killed(BaseException):
        pass

    class Killing(Silent):
        def update(self, done: int, **figures: float) -> None:
            raise Killed

    with pytest.raises(Killed):
        write_outputs(experiment, teacher, Killing())
    assert not (teacher / "outputs").exists()
    run: list[int] = []
    make = _Maker.__call__

    def counted(self: _Maker, inputs: Tensor) -> Tensor:
        run.append(len(inputs))
        return make(self, inputs)

    monkeypatch.setattr(_Maker, "__call__", counted)
    write_outputs(experiment, tmp_path / "once", Silent())
    whole = sum(run)
    run.clear()
    write_outputs(experiment, teacher, Silent())
    assert sum(run) < whole == sum(map(len, imitated_data(experiment).splits))  # those of before the kill were not made again
    assert not list(teacher.glob(".outputs*"))
    shards = [{path.relative_to(root): sha256_file(path) for path in root.rglob("*.parquet")} for root in (teacher, tmp_path / "once")]
    assert shards[0] == shards[1]
    before = [one.batch([0]).target for one in imitated_data(experiment).splits if one.name != "train"]
    train_teacher(experiment, teacher)
    stamp = {path: path.stat().st_mtime_ns for path in (teacher / "outputs").rglob("*")}
    write_outputs(experiment, teacher, Silent())
    assert stamp == {path: path.stat().st_mtime_ns for path in (teacher / "outputs").rglob("*")}
    data = build_data(experiment, teacher=teacher)
    assert data.fingerprint == imitated_data(experiment).fingerprint
    after = [one.batch([0]).target for one in data.splits if one.name != "train"]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    # The checkpoint may go once the teacher has been taken from it.
    Path(str(experiment.teacher.checkpoint)).rename(tmp_path / "elsewhere.safetensors")
    (teacher / "outputs").touch()
    assert build_data(experiment, teacher=teacher / ".").fingerprint == data.fingerprint


def test_damaged_outputs_are_named_and_so_is_what_helps(tmp_path: Path) -> None:
    experiment = make_task_experiment("imitated_enlargement", tmp_path / "data")
    train_teacher(experiment, tmp_path / "teacher")
    (shard,) = (tmp_path / "teacher" / "outputs" / "train").rglob("*.parquet")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    with pytest.raises(DataError, match=r"outputs are damaged.*00000\.parquet.*remove .*outputs.* again"):
        build_data(experiment, teacher=tmp_path / "teacher").train.load()
    (tmp_path / "teacher" / "outputs" / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"outputs are damaged.*manifest"):
        build_data(experiment, teacher=tmp_path / "teacher").validation.load()


def test_outputs_of_another_teacher_are_refused(tmp_path: Path) -> None:
    experiment = make_task_experiment("imitated_enlargement", tmp_path / "data")
    write_outputs(experiment, tmp_path / "teacher", Silent())
    checkpoint = Path(str(experiment.teacher.checkpoint))
    save_file({name: tensor + 0.1 for name, tensor in load_file(checkpoint).items()}, tmp_path / "other.safetensors")
    other = experiment.model_copy(
        update={"teacher": experiment.teacher.model_copy(update={"checkpoint": str(tmp_path / "other.safetensors")})}
    )
    with pytest.raises(DataError, match="outputs of another teacher"):
        write_outputs(other, tmp_path / "teacher", Silent())


def test_an_imitated_set_packs(tmp_path: Path) -> None:
    from autogc.data import DATASETS

    data = build_data(make_task_experiment("imitated_domains", tmp_path / "data"))
    pack(data, tmp_path / "packed")
    again = DATASETS.build("parquet", {"root": str(tmp_path / "packed")}, seed=0)
    one, other = data.test.batch(), again.test.batch()
    assert torch.equal(one.input, other.input) and torch.equal(one.target, other.target)


def broken(experiment: Experiment, **changes: Any) -> Experiment:
    return Experiment.model_validate({**experiment.model_dump(mode="json", exclude_unset=True), **changes})


OWN = """
from torch import nn

class Shrinking(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x):
        return self.conv(x)
"""


def test_what_cannot_be_imitated_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    experiment = make_task_experiment("imitated_enlargement", tmp_path / "data")
    with pytest.raises(ValueError, match=r"teacher\.checkpoint"):
        broken(experiment, teacher=OPTIMIZATION)
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        check(broken(experiment, teacher={"checkpoint": str(tmp_path / "nowhere.safetensors")}))
    with pytest.raises(ConfigError, match=r"say `task: imitation`"):
        check(broken(experiment, task=None))
    with pytest.raises(ConfigError, match=r"students\.target: in imitation"):
        check(broken(experiment, students={"target": "both"}))
    (tmp_path / "own.py").write_text(OWN)
    shrinking = {"module": f"{tmp_path / 'own.py'}:Shrinking"}
    with pytest.raises(ConfigError, match=r"makes images of 14 x 14 of an input of 3 x 16 x 16.*whole number of times"):
        check(broken(experiment, generator=shrinking))
    for path in (tmp_path / "data" / "validation").iterdir():
        path.unlink()
    emptied = {"name": "inputs", "args": {"root": str(tmp_path / "data"), "crop": 12}}
    with pytest.raises(DataError, match=r"validation: the folder .* holds no images"):
        check(broken(experiment, data=emptied))


def test_images_of_different_sizes_need_a_crop(tmp_path: Path) -> None:
    experiment = make_task_experiment("imitated_enlargement", tmp_path / "data")
    with pytest.raises(AutogcError, match=r"have different sizes .* give crop"):
        check(broken(experiment, data={"name": "inputs", "args": {"root": str(tmp_path / "data")}}))
    with pytest.raises(AutogcError, match="none of the 6 training images is as large as the crop of 64"):
        check(broken(experiment, data={"name": "inputs", "args": {"root": str(tmp_path / "data"), "crop": 64}}))


def test_a_check_asks_for_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = make_task_experiment(
        "imitated_enlargement", tmp_path / "data", scores={"feature_network": None}, search={"objectives": ["psnr", "macs"]}
    )

    def refuse(self: object, inputs: Tensor) -> Tensor:
        raise AssertionError("an output was made")

    monkeypatch.setattr("autogc.training.imitation._Maker.__call__", refuse)
    checked = check(experiment)
    assert isinstance(checked.data, ImitatedDataset)
    assert checked.data.target_shape == (3, 32, 32)


def test_the_losses_of_imitation_are_its_own_where_nothing_is_said(tmp_path: Path) -> None:
    experiment = make_task_experiment("imitation", tmp_path / "data")
    assert (experiment.losses.adversarial_weight, experiment.losses.reconstruction_weight) == (0, 1)
    assert experiment.losses.reconstruction == "l1" and experiment.supernet.betas == (0.9, 0.999) == experiment.finetune.betas
    assert not asks_discriminator(experiment, build_data(experiment))
    given = broken(experiment, losses={"adversarial_weight": 0.5}, finetune={**OPTIMIZATION, "betas": [0.5, 0.9]})
    assert (given.losses.adversarial_weight, given.losses.reconstruction_weight) == (0.5, 1)
    assert given.finetune.betas == (0.5, 0.9) and asks_discriminator(given, build_data(given))
    elsewhere = make_experiment()
    assert (elsewhere.losses.adversarial_weight, elsewhere.supernet.betas) == (1, (0.5, 0.999))
    assert task_problems(experiment, build_data(experiment)) == []


def test_without_an_adversarial_weight_no_stage_of_any_task_has_a_discriminator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a discriminator was built")

    experiment = make_experiment(losses={"adversarial_weight": 0.0, "reconstruction_weight": 10.0}, discriminator={"name": "patchgan"})
    for module in ("teacher", "stage"):
        monkeypatch.setattr(f"autogc.training.{module}.build_discriminator", refuse)
    monkeypatch.setattr(sys.modules["autogc.pipeline.check"], "build_discriminator", refuse)
    check(experiment)
    train_teacher(experiment, tmp_path / "teacher")
    train_supernet(experiment, tmp_path / "teacher", tmp_path / "supernet")
    assert (tmp_path / "supernet" / "result.json").is_file() and not list(tmp_path.rglob("discriminator*"))


@pytest.mark.parametrize("target", ["truth", "teacher", "both", None])
def test_a_student_of_pairs_is_compared_with_what_the_experiment_says(target: str | None) -> None:
    weights = {"both": {"truth_weight": 0.5, "teacher_weight": 2.0}}.get(str(target), {})
    experiment = make_experiment(
        losses={"adversarial_weight": 0.0, "reconstruction_weight": 3.0},
        students={**({} if target is None else {"target": target}), **weights},
    )
    data = build_data(experiment)
    task = task_of(experiment, data)
    objective = task.student(experiment.losses, data)
    truth, taught, made = (torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in range(3))
    batch = Batch(input=torch.zeros(2, 4, 8, 8), target=truth, labels=None, names=["a", "b"])
    situation = objective.prepare(batch, lambda x: (taught, []))
    terms = objective.judge(None, situation, objective.produce(lambda x: (made, ()), situation, torch.nn.ModuleDict()))
    loss = sum(weight * value for weight, value in terms.values())
    to_truth, to_teacher = (made - truth).abs().mean(), (made - taught).abs().mean()
    expected = {"truth": 3 * to_truth, "teacher": 3 * to_teacher, "both": 1.5 * to_truth + 6 * to_teacher, None: 3 * to_truth}[target]
    torch.testing.assert_close(loss, expected)
    # The teacher itself knows the truth alone.
    own = task.teacher(experiment.losses, data)
    assert own.prepare(batch, None).reference is truth and own.students == StudentsConfig()


def test_weights_of_what_is_no_target_are_refused() -> None:
    with pytest.raises(ValueError, match="teacher_weight has no effect with target truth"):
        StudentsConfig(target="truth", teacher_weight=2)
    with pytest.raises(ValueError, match="truth_weight has no effect"):
        StudentsConfig(truth_weight=2)


def test_unpaired_data_has_no_truth_to_compare_with(tmp_path: Path) -> None:
    experiment = make_task_experiment("unconditional", tmp_path / "data", students={"target": "truth"})
    assert any("students.target" in problem for problem in task_problems(experiment, build_data(experiment)))
    experiment = broken(experiment, students={"target": "teacher"})
    assert task_problems(experiment, build_data(experiment)) == []


def by_hand() -> ModuleType:
    path = SHARED / "bench" / "by_hand.py"
    weights = SHARED / "data" / "weights" / "realesr-animevideov3.safetensors"
    if not (path.is_file() and weights.is_file()):
        pytest.skip("../shared with the benchmark and the released weights is not here")
    spec = importlib.util.spec_from_file_location("by_hand", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_psnr_is_that_of_the_benchmark_on_a_generator_that_is_shipped(tmp_path: Path) -> None:
    """The same network scored by both: outputs made, rounded, and compared by code that shares nothing."""
    bench = by_hand()
    overrides = [f"data.args.root={SHARED / 'data' / 'sr'}", "data.args.limit=2", "data.args.largest=64"]
    checkpoint = SHARED / "data" / "weights" / "realesr-animevideov3.safetensors"
    experiment = load_experiment(
        ROOT / "search_spaces" / "animevideo_imitation.yaml", overrides=[*overrides, f"teacher.checkpoint={checkpoint}", "device=cpu"]
    )
    data = build_data(experiment)
    generator = bench.PlainStack().eval()
    generator.load_state_dict(load_file(checkpoint))
    pairs = []
    for path in sorted((SHARED / "data" / "sr" / "Set5" / "x4" / "LR").glob("*.png"))[:2]:
        low = bench.read(path)[:, :64, :64]
        with torch.inference_mode():
            bench.save(generator(low[None])[0], tmp_path / path.name)
        pairs.append((low, bench.read(tmp_path / path.name)))
    torch.manual_seed(0)
    student = bench.PlainStack(width=8, convs=1).eval()
    config = experiment.generator.model_copy(update={"args": {"width": 8, "convs": 1}})
    ours = build_generator_component(config, in_channels=3, out_channels=3, offered={}).eval()
    ours.load_state_dict(student.state_dict())
    judge = Judge.prepare(ScoresConfig(feature_network=None, segmenter=None), data, tmp_path / "judge", seed=0)
    found = judge.score(ours, data.validation, metrics=["psnr"]).scores["psnr"]
    assert found == pytest.approx(bench.score(student, pairs), abs=2e-3)
