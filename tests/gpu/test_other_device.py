"""What runs on a GPU, on a device that is made of the CPU: no operator mixes it with the CPU."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from elsewhere import DeviceMixError, There, elsewhere
from tiny_experiment import make_experiment
from torch import Tensor, nn

from autogc.compression import compress, pack
from autogc.cost import CostModel
from autogc.cost.latency.calls import recorded
from autogc.cost.latency.devices import Load
from autogc.losses import gradient_penalty
from autogc.metrics import Judge
from autogc.search.evaluator import CandidateEvaluator
from autogc.supernet import Candidate, Space, Supernet
from autogc.training.features import FeatureAdapters
from autogc.training.stage import build_data, build_discriminator, build_generator, example_input
from autogc.training.students import CompressedStudent, FixedTeacher, SupernetStudent
from autogc.training.tasks import task_of
from autogc.training.trainer import CriticSide

LAYERS = ("down2", "blocks.0")


@pytest.fixture(scope="module")
def experiment():
    return make_experiment()


@pytest.fixture(scope="module")
def data(experiment):
    return build_data(experiment)


@pytest.fixture
def supernet(experiment, data) -> Supernet:
    torch.manual_seed(0)
    return Supernet.convert(
        build_generator(experiment, data).eval(), example_input(data), decompose=("blocks.*",), watch=LAYERS, verify=False
    )


@pytest.fixture
def candidates(experiment, supernet) -> list[Candidate]:
    """The whole supernet, and subnets that use every dimension."""
    space = Space.build(experiment.space, supernet)
    draw = random.Random(0)
    plain = {decision.name: decision.values[0] for decision in space.decisions if decision.name.startswith("activation_bits")}
    found = [space.largest(), space.smallest(), *(space.sample(draw) for _ in range(3)), {**space.sample(draw), **plain}]
    return [space.candidate(one) for one in found]


def here(tensor: Tensor) -> Tensor:
    return tensor.detach().held if isinstance(tensor.detach(), There) else tensor.detach()


def test_the_device_refuses_what_a_gpu_refuses():
    with elsewhere() as device:
        there = torch.arange(4.0).to(device)
        assert there.device.type == "meta" and torch.equal((there * 2 + torch.tensor(1.0)).cpu(), torch.arange(4.0) * 2 + 1)
        assert torch.equal(there[torch.tensor([1, 2])].cpu(), torch.tensor([1.0, 2.0])) and int(there.sum()) == 6
        with pytest.raises(DeviceMixError):
            there + torch.arange(4.0)
        with pytest.raises(DeviceMixError):
            there.index_select(0, torch.tensor([1]))
        with pytest.raises((TypeError, RuntimeError)):
            there.numpy()


def test_every_subnet_runs_there(supernet, candidates, data):
    batch = next(data.validation.batches(2)).input
    supernet.eval().requires_grad_(False)
    expected = [supernet.forward_with_features(batch, one) for one in candidates]
    with elsewhere() as device, torch.no_grad():
        supernet.to(device)
        for one, (image, features) in zip(candidates, expected, strict=True):
            made, seen = supernet.forward_with_features(batch.to(device), one)
            assert made.shape == image.shape and made.device == device
            for mine, theirs in zip(seen, features, strict=True):
                assert mine.shape == theirs.shape and mine.device == device


@pytest.mark.parametrize(
    "values",
    [
        {"weight_bits": 4},
        {"codebook": 16},
        {"codebook": 256, "element_pruning": 0.5},
        {"weight_bits": 8, "element_pruning": 0.3},
    ],
)
def test_weights_are_compressed_there(values):
    weight = torch.randn(24, 16, 3, 3, generator=torch.Generator().manual_seed(0))
    expected = compress(weight, values)
    with elsewhere() as device, torch.no_grad():
        there = weight.to(device)
        assert compress(there, values).device == device
        if "codebook" not in values:  # whose indices in brackets are lost, see ``elsewhere``
            assert torch.equal(compress(there, values).cpu(), expected)
            assert pack(there, values) == pack(weight, values)


def test_the_judge_and_the_evaluator_score_the_same_there(experiment, data, supernet, candidates, tmp_path: Path):
    network = {"name": "dataset_segmenter", "args": {"steps": 3}}
    scores = type(experiment.scores).model_validate({"feature_network": network, "segmenter": network, "bootstrap": 3})
    supernet.eval().requires_grad_(False)
    judge = Judge.prepare(scores, data, tmp_path, seed=0)

    def evaluated(device: str) -> list[dict[str, float]]:
        evaluator = CandidateEvaluator(
            supernet=supernet,
            judge=judge,
            split=data.validation,
            metrics=("fid", "miou", "psnr", "ssim", "vol"),
            seed=0,
            images=2,
            device=device,
        )
        return [evaluator.evaluate(one)[0] for one in candidates[:3]]

    expected = evaluated("cpu")
    with elsewhere():
        found = evaluated("meta")
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys() and one
        assert all(one[name] == pytest.approx(other[name], rel=1e-3, abs=1e-4) for name in one), (one, other)


def test_real_pictures_are_judged_there_too(experiment, data, tmp_path: Path):
    network = {"name": "dataset_segmenter", "args": {"steps": 3}}
    scores = type(experiment.scores).model_validate({"feature_network": network, "segmenter": network})
    judge = Judge.prepare(scores, data, tmp_path, seed=0)
    expected = judge.real_images(data.test)
    judge._real.clear()
    judge.directory = None
    with elsewhere():
        found = judge.to("meta").real_images(data.test)
    assert found.scores == pytest.approx(expected.scores, rel=1e-4) and found.images == expected.images


def test_losses_are_taken_and_derived_there(experiment, data, supernet, candidates):
    """One step's losses of the supernet, of a subnet, and of the discriminator, as the trainer takes them."""
    torch.manual_seed(1)
    teacher = build_generator(experiment, data).eval()
    critics = build_discriminator(experiment, data)
    batch = next(data.train.batches(2))
    adapters = FeatureAdapters([32, 32], [32, 32])
    values = {"stem.conv.weight": {"weight_bits": 4}}
    # Rounded activations could fall on another level for the last bit of a sum.
    exact = [one for one in candidates if "activation_bits" not in one.choices]
    assert len(exact) > 1

    def gradients(device: torch.device) -> dict[str, Tensor]:
        objective = task_of(experiment, data).student(experiment.losses, data).to(device)
        fixed = FixedTeacher(teacher, LAYERS, device)
        side = CriticSide(critics, objective).to(device)
        students = {
            "supernet": (SupernetStudent(supernet.requires_grad_(True), adapters, objective), exact),
            "subnet": (
                CompressedStudent(build_generator(experiment, data).eval(), values, objective, layers=LAYERS, adapters=adapters),
                (),
            ),
        }
        found: dict[str, Tensor] = {}
        situation = objective.prepare(batch.to(device), fixed)
        for name, (student, chosen) in students.items():
            student.to(device).eval()
            generated = student(situation, chosen)
            total = sum(w * v for one in generated for w, v in objective.judge(side, situation, one).values())
            total = total + sum(w * v for w, v in side(situation, [one.each(Tensor.detach) for one in generated]).values())
            parameters = {**dict(student.named_parameters()), **dict(side.named_parameters())}
            made = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
            found |= {f"{name}/{key}": here(g).clone() for key, g in zip(parameters, made, strict=True) if g is not None}
            found[f"{name}/loss"] = here(total).clone()
        return found

    expected = gradients(torch.device("cpu"))
    with elsewhere() as device:
        found = gradients(device)
    assert found.keys() == expected.keys() and len(found) > 20
    for name, value in expected.items():
        assert found[name].shape == value.shape and bool(found[name].isfinite().all()), name


def test_the_penalty_draws_on_the_cpu_and_mixes_there():
    critic = nn.Conv2d(3, 1, 3)
    real, fake = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    torch.manual_seed(0)
    expected = gradient_penalty(critic, real, fake)
    with elsewhere() as device:
        torch.manual_seed(0)
        found = gradient_penalty(critic.to(device), real.to(device), fake.to(device))
    torch.testing.assert_close(here(found), expected.detach())


def test_calls_are_recorded_where_the_module_is(supernet, candidates):
    """The export moves a run's supernet to the GPU; latency is predicted of its subnets afterwards."""
    subnet = supernet.eval().extract(candidates[1])
    expected = recorded(subnet, supernet.example_shape, supernet.layers)
    assert recorded(subnet.to("meta"), supernet.example_shape, supernet.layers) == expected


def test_a_subnet_is_extracted_where_the_supernet_is(supernet):
    """As the report does after the export, which moved the run's supernet to the GPU."""
    group = max(supernet.discovery.groups, key=lambda one: one.size)
    one = Candidate({"width": {group.name: group.size // 2}})
    expected = {name: tensor.shape for name, tensor in supernet.extract(one).state_dict().items()}
    subnet = supernet.to("meta").extract(one)
    assert {name: tensor.shape for name, tensor in subnet.state_dict().items()} == expected
    assert {tensor.device.type for tensor in subnet.parameters()} == {"meta"}


def test_costs_are_counted_of_a_supernet_that_was_moved(experiment, supernet, candidates):
    space = Space.build(experiment.space, supernet)
    expected = [CostModel(supernet, space).costs(one) for one in candidates]
    with elsewhere() as device:
        supernet.requires_grad_(False).to(device)
        assert [CostModel(supernet, space).costs(one) for one in candidates] == expected


def test_judging_takes_all_of_float32(experiment, data, tmp_path: Path):
    """cuDNN would take float32 convolutions in TF32 on a GPU, and scores would not be the CPU's."""
    judge = Judge.prepare(type(experiment.scores)(feature_network=None, segmenter=None), data, tmp_path, seed=0)
    seen = []

    def generate(images: Tensor) -> Tensor:
        seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        return torch.zeros(len(images), 3, data.height, data.width)

    before = torch.backends.cudnn.allow_tf32
    judge.score(generate, data.test)
    assert seen == [(False, False)] and torch.backends.cudnn.allow_tf32 == before is True


def test_a_gpu_whose_use_is_not_told_is_measured_all_the_same(monkeypatch: pytest.MonkeyPatch):
    """The driver's library has an error of its own for a part of a GPU and for a virtual one, which torch passes on."""

    class NVMLError(Exception):
        pass

    def utilization(device: torch.device) -> int:
        raise NVMLError("Not Supported")

    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(NVMLError=NVMLError))
    monkeypatch.setattr(torch.cuda, "utilization", utilization)
    assert Load(torch.device("cuda:0"))._gpu() is None
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: 40)
    assert Load(torch.device("cuda:0"))._gpu() == 0.4
    assert Load(torch.device("cpu"))._gpu() is None
