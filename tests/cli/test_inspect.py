"""``autogc inspect``: of a generator alone, and of a class that nobody here has seen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import yaml
from click.testing import CliRunner, Result

from autogc.cli import main
from autogc.config.load import load_experiment
from autogc.pipeline.inspection import inspect
from autogc.supernet import Candidate

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.width = width
        self.take = nn.Conv2d(3, width, 3, padding=1)
        self.turn = nn.Conv2d(width, width, 3, padding=1)
        self.give = nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1)

    def forward(self, x):
        y = self.take(x).relu()
        {line}
        return self.give(y).tanh()
"""
GENERATOR = {"module": "net.py:Net", "args": {"width": 16}, "input_shape": [3, 8, 8]}


def write(directory: Path, line: str = "y = y + self.turn(y)", **sections: object) -> Path:
    (directory / "net.py").write_text(NET.replace("{line}", line))
    file = directory / "net.yaml"
    file.write_text(yaml.safe_dump({"generator": GENERATOR, **sections}, sort_keys=False))
    return file


def shown(file: Path, *overrides: str) -> Result:
    arguments = [word for override in overrides for word in ("--set", override)]
    return CliRunner().invoke(main, ["inspect", str(file), *arguments], env={"COLUMNS": "200"})


def test_a_file_with_nothing_but_a_generator(tmp_path: Path) -> None:
    result = shown(write(tmp_path))
    assert result.exit_code == 0, result.output
    # One group: the sum ties what both convolutions make. MACs are arithmetic: 8 x 8 positions each, 16 x 16 as published.
    assert re.search(r"take +16 +1 +take +take, turn", result.output)
    first, middle, last = 3 * 16 * 9 * 64, 16 * 16 * 9 * 64, 16 * 3 * 16 * 64
    parameters = (3 * 9 + 1) * 16 + (16 * 9 + 1) * 16 + 16 * 3 * 16 + 3
    macs, published = first + middle + last, first + middle + 4 * last
    assert re.search(rf"full +{macs:,} +{macs:,} +{published:,} +{macs * 32 * 32:,} +{parameters:,} ", result.output)
    assert "Fixed: the channels of the input and of the output" in result.output
    assert "decompose: [take, turn]" in result.output


def test_the_smallest_subnet_is_counted_by_fvcore_too(tmp_path: Path) -> None:
    found = inspect(write(tmp_path))
    (smallest, full) = (found.counts[name] for name in ("smallest", "full"))
    assert smallest["macs"] == smallest["fvcore_macs"] == (3 * 8 + 8 * 8) * 9 * 64 + 8 * 3 * 16 * 64 < full["macs"]


def test_what_is_suggested_is_what_is_searched(tmp_path: Path) -> None:
    file = write(tmp_path)
    found = inspect(file)
    text = shown(file).output
    suggestion = yaml.safe_load(text[text.index("\nsupernet:") :])
    assert suggestion == yaml.safe_load(yaml.safe_dump(found.suggestion))
    del suggestion["supernet"], suggestion["space"]["dimensions"]["operator"]
    again = inspect(write(tmp_path, **suggestion))
    assert again.space.decisions == found.space.decisions
    assert again.suggestion == {"supernet": {"decompose": ["take", "turn"]}}


def test_sections_of_the_file_are_used(tmp_path: Path) -> None:
    dimensions = {"width": {"choices": {"take": [16, 8]}}, "operator": {"choices": {"*": ["dense", "separable"]}}}
    space = {"stages": {"all": ["*"]}, "dimensions": dimensions}
    found = inspect(write(tmp_path, supernet={"decompose": ["turn"]}, space=space))
    assert [decision.name for decision in found.space.decisions] == ["width/take", "operator/all"]
    assert found.supernet.sites == ("turn",) and found.suggestion == {}
    overridden = inspect(write(tmp_path), overrides=["generator.args.width=32", "generator.input_shape=[3, 16, 16]"])
    assert overridden.supernet.discovery.group("take").size == 32 and overridden.supernet.example_shape == (1, 3, 16, 16)


def test_a_registered_generator_without_data(tmp_path: Path) -> None:
    file = tmp_path / "resnet.yaml"
    generator = {"name": "resnet", "args": {"base_channels": 8, "blocks": 1, "out_channels": 2}, "input_shape": [5, 16, 16]}
    file.write_text(yaml.safe_dump({"generator": generator}))
    found = inspect(file)
    assert found.supernet.module.get_parameter("stem.conv.weight").shape[1] == 5
    assert found.supernet(torch.zeros(1, 5, 16, 16), Candidate({})).shape == (1, 2, 16, 16)


BAD = [
    ("y = y + self.turn(y)", ["generator.input_shape=null"], "generator.input_shape: is required where the file has no data"),
    ("y = y + self.turn(y)", ["generator.args.widht=8"], "unexpected keyword argument 'widht'; it is Net(width=16)"),
    (
        "y = y + self.turn(y)",
        ["generator.input_shape=[4, 8, 8]"],
        "generator 'net.py:Net' does not run on an input of 4 x 8 x 8: RuntimeError",
    ),
    ("y = self.trun(y)", [], "AttributeError: 'Net' object has no attribute 'trun'"),
    ("return {'images': y}", [], "generator 'net.py:Net' makes a dict of an input of 3 x 8 x 8"),
    ("return y.mean(dim=(2, 3))", [], "makes a tensor of shape (1, 16) of an input of 3 x 8 x 8; it must make images"),
    ("y = y if y.mean() > 0 else self.turn(y)", [], "can't be traced"),
    (
        "y = y + self.turn(y)",
        ["supernet.decompose=[trun]"],
        "matches no dense convolution with a kernel above 1x1: did you mean 'turn'",
    ),
    ("y = y + self.turn(y)", ["generator={name: resnt, input_shape: [3, 8, 8]}"], "no generator named 'resnt': did you mean 'resnet'"),
    ("y = y + self.turn(y)", ["generator={name: resnet, input_shape: [3, 8, 8]}"], "'resnet' needs args.out_channels (3 for RGB)"),
    ("y = y + self.turn(y)", ["generator={args: {}}"], "generator: needs either name"),
]


@pytest.mark.parametrize(("line", "overrides", "message"), BAD)
def test_what_can_not_be_looked_at_is_one_message(tmp_path: Path, line: str, overrides: list[str], message: str) -> None:
    result = shown(write(tmp_path, line), *overrides)
    assert result.exit_code == 2, result.output
    assert message in result.stderr and "Traceback" not in result.output


def test_all_that_is_wrong_with_a_part_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, space={"dimensions": {"widht": {"choices": {}}}}, supernet={"decompse": ["turn"]}, serach={})
    result = shown(file, "generator.args.widht=8")
    assert result.exit_code == 2
    for part in ("serach: unknown key", "supernet.decompse: unknown key", "no dimension named 'widht'", "argument 'widht'"):
        assert part in result.stderr
    assert "4 problems" in result.stderr


def test_an_experiment_needs_no_space_and_no_discriminator(tmp_path: Path) -> None:
    training = {"steps": 2, "batch_size": 2}
    data = {"name": "streets", "args": {"train": 2, "validation": 2, "test": 2, "height": 32, "width": 32}}
    given = {"name": "own", "data": data, "teacher": training, "supernet": training, "finetune": training}
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump({**given, "generator": {"name": "resnet", "args": {"base_channels": 8, "blocks": 1}}}))
    assert load_experiment(file).discriminator.name == "patchgan"
    found = inspect(file)
    assert set(found.suggestion) == {"supernet", "space"} and found.counts["full"]["macs"] == found.counts["full"]["fvcore_macs"]


def test_a_recipe_is_shown_with_what_is_overridden(tmp_path: Path) -> None:
    file = write(tmp_path, recipe="cat", losses={"distillation_layers": ["take"]})
    result = shown(file, "losses.students.reconstruction_weight=100")
    assert result.exit_code == 0, result.output
    assert "Recipe cat: Teachers do more than teach" in result.output and "What differs here" in result.output
    assert re.search(r"losses\.terms\.kernel_alignment\.weight +1\.0 +the same", result.output)
    assert re.search(r"losses\.students\.reconstruction_weight +5\.0 +100\.0 \(overridden\)", result.output)
    lacking = shown(write(tmp_path, recipe="omgd"))
    assert lacking.exit_code == 2
    assert "losses.perceptual.args.weights: the recipe omgd needs the file of torchvision's ImageNet weights of VGG19" in lacking.stderr
    assert "Recipe" not in shown(write(tmp_path)).output
