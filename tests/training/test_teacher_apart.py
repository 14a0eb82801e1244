"""A teacher that is another generator than the one that becomes the supernet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from pydantic import ValidationError
from safetensors.torch import load_file
from test_teaching import STAGES, through
from tiny_experiment import make_experiment
from tiny_tasks import SPACE

from autogc.config.experiment import Experiment
from autogc.config.load import diff_experiments, load_experiment
from autogc.cost import fvcore_macs
from autogc.pipeline.check import check
from autogc.pipeline.check_networks import teacher_problems
from autogc.pipeline.generator_costs import generator_costs
from autogc.training import load_adapters, load_supernet, load_teacher, train_teacher
from autogc.training.stage import build_data, build_generator, build_teacher_generator, example_input

LARGE = {"name": "resnet", "args": {"base_channels": 12, "blocks": 2}}


def apart(**changes: Any) -> Experiment:
    """A narrow student of a teacher that is wider and deeper; the student's last block is matched with the teacher's."""
    teacher = {**STAGES["teacher"], "generator": LARGE, "distillation_layers": ["down2", "blocks.1"]}
    losses = {
        "distillation_layers": ["down2", "blocks.0"],
        "terms": {"kernel_alignment": 1.0, "ssim": {"weight": 1.0, "against": "teacher"}},
    }
    return make_experiment(**{**STAGES, "space": SPACE, "teacher": teacher, "losses": losses, **changes})


def test_a_larger_teacher_through_every_training_stage(tmp_path: Path) -> None:
    experiment = apart()
    losses = through(experiment, tmp_path)
    assert {"distillation", "terms.kernel_alignment", "terms.ssim"} <= set(losses)
    data = build_data(experiment)
    teacher = load_teacher(experiment, data, tmp_path / "teacher")
    assert teacher.get_parameter("stem.conv.weight").shape[0] == 12
    supernet = load_supernet(experiment, data, tmp_path / "supernet")
    assert supernet.module.get_parameter("stem.conv.weight").shape[0] == 8
    maps = load_adapters(experiment, data, tmp_path / "supernet").maps
    assert [tuple(one.weight.shape[:2]) for one in maps] == [(48, 32), (48, 32)]
    # The supernet began as a fresh generator of its own kind, the same for the same seed.
    origin, fresh = load_file(tmp_path / "supernet" / "origin.safetensors"), build_generator(experiment, data).state_dict()
    assert all(torch.equal(origin[name], fresh[name]) for name in fresh)
    # Another student is another supernet, and the same teacher.
    wider = apart(generator={"name": "resnet", "args": {"base_channels": 16, "blocks": 1}})
    train_teacher(wider, tmp_path / "teacher")
    result = json.loads((tmp_path / "teacher" / "result.json").read_text())
    assert result["parameters"] == sum(one.numel() for one in teacher.parameters())


def test_a_student_starts_from_a_checkpoint(tmp_path: Path) -> None:
    small = make_experiment(**STAGES, space=SPACE)
    train_teacher(small, tmp_path / "small")
    experiment = apart(supernet={**STAGES["supernet"], "checkpoint": str(tmp_path / "small" / "generator.safetensors")})
    train_teacher(experiment, tmp_path / "teacher")
    from autogc.training import build_supernet

    supernet = build_supernet(experiment, build_data(experiment), tmp_path / "teacher")
    mine = load_file(tmp_path / "small" / "generator.safetensors")["stem.conv.weight"]
    kept = supernet.module.get_parameter("stem.conv.weight")
    # The same weights, their channels in another order.
    torch.testing.assert_close(kept.detach().flatten().sort().values, mine.flatten().sort().values)


def test_it_is_checked_and_costed(tmp_path: Path) -> None:
    experiment = apart()
    checked = check(experiment)
    data = build_data(experiment)
    teacher = build_teacher_generator(experiment, data)
    assert checked.teacher_costs is not None and checked.teacher_costs == generator_costs(teacher, data)
    assert checked.teacher_costs["macs"] == fvcore_macs(teacher, example_input(data))
    assert checked.teacher_costs["params"] == sum(one.numel() for one in teacher.parameters())
    generator = build_generator(experiment, data)
    other = apart(teacher={**STAGES["teacher"], "generator": LARGE, "distillation_layers": ["down2", "down1"]})
    (problem,) = teacher_problems(other, data, generator, teacher)
    assert "'down1' is [16, 16] and the generator's 'blocks.0' [8, 8]" in problem
    missing = apart(teacher={**STAGES["teacher"], "generator": LARGE, "distillation_layers": ["down2", "blocks.7"]})
    (problem,) = teacher_problems(missing, data, generator, teacher)
    assert "no module 'blocks.7'" in problem
    with pytest.raises(ValueError, match=r"teacher.generator: .*base_chanels"):
        check(apart(teacher={**STAGES["teacher"], "generator": {"name": "resnet", "args": {"base_chanels": 4}}}))


def test_what_has_no_effect_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"supernet.checkpoint has no effect without teacher.generator"):
        make_experiment(supernet={**STAGES["supernet"], "checkpoint": "x"})
    with pytest.raises(ValidationError, match="has no effect without generator"):
        make_experiment(teacher={**STAGES["teacher"], "distillation_layers": ["down2"]})
    with pytest.raises(ValidationError, match=r"names 1 layers and losses.distillation_layers 2"):
        apart(teacher={**STAGES["teacher"], "generator": LARGE, "distillation_layers": ["down2"]})


def test_a_class_of_the_users_own_may_teach(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\nclass Net(nn.Conv2d):\n    def __init__(self):\n        super().__init__(3, 3, 1)\n"
    )
    tree = apart().model_dump(mode="json")
    tree["teacher"] |= {"generator": {"module": "net.py:Net"}, "distillation_layers": []}
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(tree))
    experiment = load_experiment(tmp_path / "x.yaml")
    assert experiment.teacher.generator is not None and experiment.teacher.generator.source_sha256 is not None
    (tmp_path / "net.py").write_text((tmp_path / "net.py").read_text() + "    # edited\n")
    differing = diff_experiments(experiment, load_experiment(tmp_path / "x.yaml"))
    assert len(differing) == 1 and differing[0].startswith("teacher.generator.source_sha256")
