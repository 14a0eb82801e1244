"""Packages of a generator that is a class of the user's own: nothing of it runs unless the caller says so."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from autogc.config.experiment import SpaceConfig
from autogc.config.generator import GeneratorConfig
from autogc.config.source import Source, locate
from autogc.cost import CostModel
from autogc.errors import CheckpointError
from autogc.export import Package, load_package, rescore_package, verify_package, write_like, write_package
from autogc.files import read_json, sha256_file, write_json
from autogc.models import build_completed
from autogc.supernet import Space, Supernet

SOURCE = """
import os
import sys
from pathlib import Path

import torch
from torch import nn

Path(os.environ["AUTOGC_TEST_LOG"]).open("a").write("imported ")


class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, channels).view(-1, 1, 1))

    def forward(self, x):
        return x * torch.sigmoid(self.scale * x)


class Own(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.first = nn.Conv2d(4, width, 3, padding=1)
        self.gate = Gate(width)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x):
        return self.last(self.gate(self.first(x))).tanh()
"""
EXAMPLE = torch.rand(2, 4, 12, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
SPACE = {"stages": {"all": ["*"]}, "dimensions": {"width": {"choices": {"*": [8, 16]}}, "weight_bits": {"choices": {"all": [32, 8]}}}}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Has a word for each time that the source ran."""
    monkeypatch.setenv("AUTOGC_TEST_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def exported(home: Path, *, text: str = SOURCE) -> Package:
    home.mkdir()
    (home / "net.py").write_text(text)
    generator = GeneratorConfig.model_validate(locate({"module": "net.py:Own"}, base=home))
    supernet = Supernet.convert(build_completed(generator), EXAMPLE[:1])
    space = Space.build(SpaceConfig.model_validate(SPACE), supernet)
    candidate = space.candidate(space.smallest())
    package = write_package(
        home / "package",
        supernet=supernet,
        candidate=candidate,
        generator=generator,
        input_shape=(1, 4, 12, 16),
        costs=CostModel(supernet).costs(candidate),
        scores={},
        experiment={"name": "a test"},
        provenance={},
    )
    verify_package(package.directory, EXAMPLE, supernet=supernet, source=generator.source)
    return package


@pytest.fixture
def package(tmp_path: Path, log: Path) -> Package:
    return exported(tmp_path / "home")


def test_what_the_package_says_of_its_generator(package: Package, tmp_path: Path) -> None:
    source = tmp_path / "home" / "net.py"
    builder = package.architecture["builder"]
    assert builder == {"class": "Own", "args": {}, "source": "net.py", "source_sha256": sha256_file(source), "source_imports": []}
    assert (package.directory / "generator.py").read_text() == SOURCE
    assert package.manifest["files"]["generator.py"] == sha256_file(source)
    assert type(package.module).__name__ == "Own" and package.module.gate.scale.shape[0] == 8 == package.module.first.out_channels


LOAD = """
import json
import os
import sys
from pathlib import Path
import torch
from autogc.errors import CheckpointError
from autogc.export import load_package
for given in json.loads(sys.argv[2]):
    try:
        package = load_package(sys.argv[1], **given)
    except CheckpointError as error:
        print(error, end=" ")
    else:
        print(list(package.module(torch.zeros(1, 4, 12, 16)).shape), end=" ")
    print("ran" if Path(os.environ["AUTOGC_TEST_LOG"]).exists() else "did not run")
"""


def load(directory: Path, *given: dict[str, object]) -> list[str]:
    """Load in a process that has not imported the class yet; return what came of each attempt."""
    done = subprocess.run([sys.executable, "-c", LOAD, str(directory), json.dumps(given)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_nothing_runs_unless_the_caller_says_so(package: Package, tmp_path: Path, log: Path) -> None:
    moved = shutil.move(package.directory, tmp_path / "elsewhere")
    log.unlink(missing_ok=True)
    other, same = tmp_path / "other.py", tmp_path / "same.py"
    other.write_text(SOURCE.replace("tanh", "sin"))
    same.write_text(SOURCE)
    attempts = [{}, {"source": str(other)}, {"source": str(tmp_path / "nowhere.py")}, {"trust_source": True}]
    nothing, another, nowhere, trusted = load(moved, *attempts)
    assert "its generator is net.py:Own, which is not part of autogc" in nothing
    assert "source='path/to/net.py'" in nothing and "pass trust_source=True" in nothing and f"read {moved}/generator.py" in nothing
    assert f"{other} is not the source of its generator net.py:Own" in another and "no file" in nowhere
    assert all(said.endswith(" did not run") for said in (nothing, another, nowhere))
    assert trusted == "[1, 3, 12, 16] ran"
    assert load_package(moved, source=same).candidate.hash == package.candidate.hash


def test_a_copy_that_was_edited_is_refused_even_when_trusted(package: Package, log: Path) -> None:
    copy = package.directory / "generator.py"
    copy.write_text(SOURCE + "\nEDITED = True\n")
    with pytest.raises(CheckpointError, match=r"generator.py: damaged or edited"):
        load_package(package.directory, trust_source=True)
    manifest = read_json(package.directory / "manifest.json")
    manifest["files"]["generator.py"] = sha256_file(copy)
    write_json(package.directory / "manifest.json", manifest)
    with pytest.raises(CheckpointError, match="is not the source of its generator"):
        load_package(package.directory, trust_source=True)
    copy.unlink()
    with pytest.raises(CheckpointError, match=r"generator.py: missing"):
        load_package(package.directory, trust_source=True)


def test_successors_keep_the_source(package: Package, tmp_path: Path) -> None:
    tuned = write_like(package, package.module, tmp_path / "tuned", scores={}, provenance={})
    assert (tuned.directory / "generator.py").read_text() == SOURCE
    with pytest.raises(CheckpointError, match="trust_source=True"):
        rescore_package(tuned.directory, scores={"fid": 1.0}, provenance={})
    again = rescore_package(tuned.directory, scores={"fid": 1.0}, provenance={}, source=tmp_path / "home" / "net.py")
    assert again.scores == {"fid": 1.0} and "generator.py" in again.manifest["files"]
    trusted = load_package(again.directory, trust_source=True)
    assert torch.equal(trusted.module(EXAMPLE), package.module(EXAMPLE))
    write_like(trusted, trusted.module, tmp_path / "third", scores={}, provenance={})


def test_the_page_says_that_loading_runs_it(package: Package) -> None:
    page = (package.directory / "README.md").read_text()
    assert 'load_package("DIRECTORY", trust_source=True).module' in page
    assert "The generator is a class in `generator.py`" in page and "| `generator.py` |" in page


def test_a_source_that_imports_its_neighbours_needs_them(tmp_path: Path, log: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "neighbour_of_own.py").write_text("SIZE = 3\n")
    text = SOURCE.replace("import sys\n", "from neighbour_of_own import SIZE\n").replace("width, 3, 3", "width, 3, SIZE")
    (tmp_path / "kept" / "net.py").write_text(text)
    generator = GeneratorConfig.model_validate(locate({"module": "net.py:Own"}, base=tmp_path / "kept"))
    supernet = Supernet.convert(build_completed(generator), EXAMPLE[:1])
    given = {"scores": {}, "experiment": {}, "provenance": {}, "costs": {}, "input_shape": (1, 4, 12, 16)}
    space = Space.build(SpaceConfig.model_validate(SPACE), supernet)
    candidate = space.candidate(space.smallest())
    package = write_package(tmp_path / "package", supernet=supernet, candidate=candidate, generator=generator, **given)
    assert package.architecture["builder"]["source_imports"] == ["neighbour_of_own.py"]
    trusted, source = {"trust_source": True}, {"source": str(tmp_path / "kept" / "net.py")}
    said, whole = load(package.directory, trusted, source)
    assert "generator.py imports neighbour_of_own.py from beside it, which the package does not hold" in said
    assert "pass source='path/to/net.py'" in said
    assert whole == "[1, 3, 12, 16] ran"
    page = (package.directory / "README.md").read_text()
    assert 'load_package("DIRECTORY", source="path/to/net.py").module' in page and "trust_source" not in page


def test_what_lies_beside_a_trusted_copy_does_not_run(tmp_path: Path, log: Path) -> None:
    optional = "try:\n    {}\nexcept ImportError:\n    pass\n"
    static = exported(tmp_path / "static", text=SOURCE + optional.format("import not_installed")).directory
    late = "__import__('importlib').import_module('not_installed')"
    dynamic = exported(tmp_path / "dynamic", text=SOURCE + optional.format(late)).directory
    for directory in (static, dynamic):
        log.unlink(missing_ok=True)
        (directory / "not_installed.py").write_text("raise SystemExit('ran a file that is no part of the package')\n")
        builder = read_json(directory / "architecture.json")
        builder["builder"]["source_sha256"] = Source.find(str(directory / "generator.py")).sha256  # as its author would have it
        write_json(directory / "architecture.json", builder)
        manifest = read_json(directory / "manifest.json")
        manifest["files"]["architecture.json"] = sha256_file(directory / "architecture.json")
        write_json(directory / "manifest.json", manifest)
    (refused,) = load(static, {"trust_source": True})
    assert "generator.py would import not_installed.py from beside it, which is no part of the package did not run" in refused
    assert load(dynamic, {"trust_source": True}) == ["[1, 3, 12, 16] ran"]
