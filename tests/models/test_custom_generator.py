"""A user's own generator: a class in a file, imported by path and known again by its content."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from autogc.config.generator import GeneratorConfig
from autogc.config.source import Source, locate
from autogc.errors import ConfigError
from autogc.models import build_generator_component, completed, generator_problems, imported_modules
from autogc.models.custom import PREFIX, load_class

PLAIN = """
from torch import nn

class Plain(nn.Module):
    def __init__(self, channels, *, depth=1):
        super().__init__()
        assert depth > 0, "depth must be positive"
        self.body = nn.Sequential(*[nn.Conv2d(channels, channels, 3, padding=1) for _ in range(depth)])

    def forward(self, x):
        return self.body(x).tanh()

class NoModule:
    pass

def make():
    return Plain(3)
"""
NOTHING = {"in_channels": 7, "out_channels": 7}


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith(PREFIX) or name.partition(".")[0] in ("wobble", "layers"):
            del sys.modules[name]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(PLAIN)
    return path


def config(path: Path, name: str = "Plain", **args: object) -> GeneratorConfig:
    return GeneratorConfig.model_validate(locate({"module": f"{path}:{name}", "args": args}, base=path.parent))


def refused(generator: GeneratorConfig) -> str:
    with pytest.raises(ConfigError) as caught:
        build_generator_component(generator, **NOTHING)
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


def test_only_the_args_are_passed(file: Path) -> None:
    generator = config(file, channels=2, depth=3)
    module = build_generator_component(generator, in_channels=7, out_channels=9, offered={"height": 4})
    assert len(module.body) == 3 and module(torch.zeros(1, 2, 5, 5)).shape == (1, 2, 5, 5)
    assert completed(generator, in_channels=7, out_channels=9) is generator
    assert generator_problems(generator) == []


def test_it_pickles_and_copies_here_and_is_imported_once(file: Path) -> None:
    generator = config(file, channels=2)
    module = build_generator_component(generator, **NOTHING)
    again = build_generator_component(generator, **NOTHING)
    assert type(module) is type(again) and isinstance(module, nn.Module)
    assert type(copy.deepcopy(module)) is type(pickle.loads(pickle.dumps(module))) is type(module)
    assert [found.__name__ for found in imported_modules() if found.__file__ == str(file)] == [type(module).__module__]


def test_an_edited_file_is_another_module_at_once_and_not_the_recorded_one(file: Path) -> None:
    generator = config(file, channels=2)
    before = load_class(generator)
    file.write_text(PLAIN.replace("tanh", "cosh"))  # of the same size, within the same second
    assert "is not what it was" in refused(generator)
    after = config(file, channels=2)
    assert load_class(after) is not before
    assert load_class(after)(channels=1)(torch.zeros(1, 1, 2, 2)).min() >= 1  # cosh
    assert after.identity != generator.identity


def test_a_file_that_moved_is_the_same_generator(file: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    moved = tmp_path / "other" / "renamed.py"
    moved.write_text(PLAIN)
    assert config(moved, channels=2).identity == config(file, channels=2).identity
    assert config(moved, channels=3).identity != config(file, channels=2).identity
    assert config(moved, name="NoModule").identity != config(moved).identity


def test_what_importing_draws_does_not_change_the_weights(file: Path) -> None:
    file.write_text("import torch\ntorch.rand(3)\n" + PLAIN)
    weights = []
    for _ in range(2):  # imported the first time only
        torch.manual_seed(0)
        weights.append(build_generator_component(config(file, channels=2), **NOTHING).body[0].weight)
    assert torch.equal(*weights)


BAD = [
    ("Plian", {}, "net.py has no class 'Plian'; did you mean 'Plain'?"),
    ("NoModule", {}, "'NoModule' in {file} is no class derived from torch.nn.Module, but <class"),
    ("make", {}, "'make' in {file} is no class derived from torch.nn.Module, but <function make"),
    ("Plain", {}, "missing 1 required positional argument: 'channels'; it is Plain(channels, *, depth=1)"),
    ("Plain", {"channels": 2, "dpeth": 1}, "unexpected keyword argument 'dpeth'"),
    (
        "Plain",
        {"channels": 2, "depth": 0},
        "net.py:Plain can't be built from args {{'channels': 2, 'depth': 0}}: AssertionError: depth must be",
    ),
]


@pytest.mark.parametrize(("name", "args", "message"), BAD)
def test_what_a_class_has_against_it_is_told(file: Path, name: str, args: dict[str, int], message: str) -> None:
    problem = refused(config(file, name, **args))
    assert message.format(file=file) in problem


def test_arguments_are_told_before_anything_is_built(file: Path) -> None:
    (problem,) = generator_problems(config(file, channels=2, dpeth=1))
    assert "dpeth" in problem and "it is Plain(channels, *, depth=1)" in problem


def test_errors_in_the_file_come_with_their_lines(file: Path) -> None:
    file.write_text("from torch import nn\n\nclass Plain(nn.Module:\n")
    assert f"{file}, line 3: " in refused(config(file))
    file.write_text("import torch\nx = 1 / 0\n")
    assert f"{file}, line 2: ZeroDivisionError: division by zero" in refused(config(file))
    file.write_text("import not_there_at_all\n")
    assert "line 1: ModuleNotFoundError: No module named 'not_there_at_all'; it must be installed, or lie beside" in refused(config(file))
    assert not any(getattr(module, "__file__", None) == str(file) for module in list(sys.modules.values()))


def test_a_missing_file_names_its_neighbours(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file .*nte\.py.*did you mean 'net\.py'"):
        locate({"module": "nte.py:Plain"}, base=tmp_path)
    recorded = GeneratorConfig(module=f"{tmp_path}/gone.py:Plain", source_sha256="0" * 64)
    assert locate(recorded.model_dump(), base=tmp_path)["source_sha256"] == "0" * 64  # a run can be looked at without it
    assert "no file" in refused(recorded)


def test_what_lies_beside_the_file_can_be_imported_and_counts(file: Path, tmp_path: Path) -> None:
    (tmp_path / "wobble").mkdir()
    (tmp_path / "wobble" / "__init__.py").write_text("")
    (tmp_path / "wobble" / "act.py").write_text("from .factor import FACTOR\ndef act(x):\n    return x * FACTOR\n")
    (tmp_path / "wobble" / "factor.py").write_text("FACTOR = 2\n")
    (tmp_path / "wobble" / "unused.py").write_text("FACTOR = 3\n")
    (tmp_path / "late.py").write_text("OFFSET = 5\n")
    body = PLAIN.replace("return self.body(x).tanh()", "import late\n        return act(0 * x) + late.OFFSET")
    file.write_text("from wobble.act import act\n" + body)
    found = Source.find(str(file))
    assert found.beside == ("late.py", "wobble/__init__.py", "wobble/act.py", "wobble/factor.py")
    generator = config(file, channels=1)
    module = build_generator_component(generator, **NOTHING)
    assert (module(torch.zeros(1, 1, 2, 2)) == 5).all()
    assert {"wobble", "wobble.act", "wobble.factor"} <= {one.__name__ for one in imported_modules()}
    (tmp_path / "wobble" / "unused.py").write_text("FACTOR = 4\n")
    assert config(file, channels=1).identity == generator.identity
    (tmp_path / "wobble" / "factor.py").write_text("FACTOR = 40\n")
    assert config(file, channels=1).identity != generator.identity
    assert "(and of the files that it imports)" in refused(generator)


def test_two_files_may_have_namesakes_beside_them(tmp_path: Path) -> None:
    made = []
    for number in (1, 2):
        home = tmp_path / str(number)
        home.mkdir()
        (home / "layers.py").write_text(f"NUMBER = {number}\n")
        (home / "net.py").write_text(f"from layers import NUMBER\n{PLAIN}\n\nclass Own(Plain):\n    number = NUMBER\n")
        made.append(load_class(config(home / "net.py", "Own")).number)
    assert made == [1, 2]


def test_an_installed_class_is_found_by_its_dotted_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = GeneratorConfig.model_validate(locate({"module": "torchmetrics.Metric", "args": {}}, base=Path()))
    assert generator.module == "torchmetrics:Metric" and generator.source_sha256 is not None
    generator = GeneratorConfig.model_validate(locate({"module": "torch.nn.modules.conv:Conv2d", "args": {}}, base=Path()))
    assert load_class(generator) is nn.Conv2d
    with pytest.raises(ConfigError, match=r"no module 'torch\.nowhere' is installed here; a file is given by its path"):
        locate({"module": "torch.nowhere.Net"}, base=Path())
    (tmp_path / "wobble").mkdir()  # a package under development, as pip install -e leaves it
    (tmp_path / "wobble" / "__init__.py").write_text("")
    (tmp_path / "wobble" / "net.py").write_text("from . import factor\nfrom torch import nn\n" + PLAIN)
    (tmp_path / "wobble" / "factor.py").write_text("import torch\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert Source.find("wobble.net").beside == ("wobble/__init__.py", "wobble/factor.py")
    found = load_class(GeneratorConfig.model_validate(locate({"module": "wobble.net.Plain"}, base=Path())))
    assert found.__module__ == "wobble.net"


def test_a_registered_generator_gets_the_channels_and_what_it_takes() -> None:
    generator = GeneratorConfig(name="resnet", args={"base_channels": 8, "blocks": 1})
    full = completed(generator, in_channels=4, out_channels=3, offered={"height": 8, "nonsense": 1})
    assert full.args == {"base_channels": 8, "blocks": 1, "in_channels": 4, "out_channels": 3}
    said = GeneratorConfig(name="resnet", args={"out_channels": 1})
    assert generator_problems(said) == []
    with pytest.raises(ConfigError, match=r"args.out_channels is 1, but the data needs 3; leave it out"):
        completed(said, in_channels=4, out_channels=3)
