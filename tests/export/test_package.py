"""Packages: what comes back is what was searched, and what is damaged is refused by name."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from autogc.compression import compress
from autogc.errors import CheckpointError
from autogc.export import Package, load_package, unpack_weights, verify_package, write_like
from autogc.export.package import FILES
from autogc.files import read_json, sha256_file, write_json
from autogc.supernet import Candidate, Space, Supernet

EXAMPLE = torch.rand(2, 4, 16, 24, generator=torch.Generator().manual_seed(2)) * 2 - 1


@pytest.mark.parametrize("seed", [None, *range(5)])
def test_a_package_is_the_subnet(supernet: Supernet, space: Space, exported: Callable[..., Package], seed: int | None) -> None:
    candidate = Candidate({}) if seed is None else space.candidate(space.sample(random.Random(seed)))
    package = exported(candidate)
    report = verify_package(package.directory, EXAMPLE, supernet=supernet)
    assert {name: report[name] for name in ("macs", "params", "storage_bytes")} == {
        name: package.costs[name] for name in ("macs", "params", "storage_bytes")
    }
    assert report["largest_difference"] <= 1e-5
    assert package.candidate == candidate

    plain, unpacked = load_file(package.directory / "weights.safetensors"), unpack_weights(package.directory)
    assert plain.keys() == unpacked.keys() == package.module.state_dict().keys()
    for name, tensor in plain.items():
        assert unpacked[name].numpy().tobytes() == tensor.numpy().tobytes(), name
    assert load_file(package.directory / "packed.safetensors")["packed"].dtype == torch.uint8
    assert (package.directory / "packed.safetensors").stat().st_size == package.costs["storage_bytes"]


def test_the_module_is_plain_and_really_smaller(supernet: Supernet, package: Package) -> None:
    kept = {name: len(channels) for name, channels in supernet.kept(package.candidate).items()}
    found = package.module
    assert not found.training
    assert found.get_submodule("stem.norm").num_features == kept["stem.conv"] < 16
    weight = next(parameter for name, parameter in found.named_parameters() if name.startswith("down1.conv") and name.endswith("weight"))
    assert weight.shape[:2] == (kept["down1.conv"], kept["stem.conv"])
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in found.modules())
    found(EXAMPLE).sum().backward()
    assert all(parameter.grad is not None for parameter in found.parameters())
    for name, values in package.values.items():
        weight = found.get_parameter(name).detach()
        assert torch.equal(compress(weight, values), weight)


def test_exporting_leaves_the_random_numbers_and_the_supernet_alone(
    supernet: Supernet, space: Space, exported: Callable[..., Package]
) -> None:
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    state = torch.random.get_rng_state()
    exported(space.candidate(space.smallest()))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


def test_what_a_package_says_of_itself(package: Package) -> None:
    assert package.scores == {"fid": 12.5, "miou": 0.25} and package.provenance == {"network": "none, a test"}
    assert package.manifest["experiment"] == {"name": "a test"} and package.manifest["parent"] is None
    assert package.manifest["candidate"] == package.candidate.hash and package.input_shape == (1, 4, 16, 24)
    assert set(package.manifest["versions"]) == {"autogc", "torch", "python"}
    assert sorted(path.name for path in package.directory.iterdir()) == sorted([*FILES, "manifest.json"])
    page = (package.directory / "README.md").read_text()
    assert f"{package.costs['macs']:,}" in page and "none, a test" in page


@pytest.mark.parametrize("norm", ["instance"], indirect=True)
def test_the_readmes_lines_run(package: Package) -> None:
    page = (package.directory / "README.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) == 5
    code = code.replace("DIRECTORY", str(package.directory)) + "print(tuple(images.shape))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "(1, 3, 16, 24)"


def test_a_fine_tuned_successor(package: Package, tmp_path: Path) -> None:
    trained = load_package(package.directory).module
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    found = write_like(
        package, trained, tmp_path / "tuned", scores={"fid": 9.0}, provenance={"network": "other"}, costs={"latency_ms": 1.5}
    )
    assert found.manifest["parent"] == {
        "candidate": package.candidate.hash,
        "manifest_sha256": sha256_file(package.directory / "manifest.json"),
    }
    assert found.costs == {**package.costs, "latency_ms": 1.5} and found.scores == {"fid": 9.0}
    assert found.candidate == package.candidate and found.values == package.values and found.input_shape == package.input_shape
    report = verify_package(found.directory, EXAMPLE)
    assert report["storage_bytes"] == package.costs["storage_bytes"]
    for name, parameter in found.module.named_parameters():
        assert torch.equal(parameter, compress(trained.get_parameter(name), package.values.get(name, {})))
    assert any(not torch.equal(a, b) for a, b in zip(found.module.parameters(), package.module.parameters(), strict=True))
    again = write_like(found, found.module, tmp_path / "again", scores={}, provenance={})
    assert (again.directory / "packed.safetensors").read_bytes() == (found.directory / "packed.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="not the package's"):
        write_like(package, nn.Linear(3, 3), tmp_path / "other", scores={}, provenance={})
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_damaged_or_missing_file_is_named(package: Package, name: str) -> None:
    path = package.directory / name
    content = path.read_bytes()
    path.write_bytes(content[:-2])
    with pytest.raises(CheckpointError, match=name):
        load_package(package.directory)
    path.unlink()
    with pytest.raises(CheckpointError, match=name):
        load_package(package.directory)


def resign(package: Package, name: str, change: Callable[[dict], None]) -> None:
    """Edit a JSON file of the package and its hash in the manifest."""
    data = read_json(package.directory / name)
    change(data)
    write_json(package.directory / name, data)
    manifest = read_json(package.directory / "manifest.json")
    if name != "manifest.json":
        manifest["files"][name] = sha256_file(package.directory / name)
        write_json(package.directory / "manifest.json", manifest)


def test_other_formats_and_modules_are_refused(package: Package) -> None:
    original = (package.directory / "architecture.json").read_text()

    def rename(data: dict) -> None:
        data["modules"]["stem.conv"] = {"type": "Conv9d", "args": {}}

    resign(package, "architecture.json", rename)
    with pytest.raises(CheckpointError, match="'Conv9d'"):
        load_package(package.directory)

    def widen(data: dict) -> None:
        data.update(json.loads(original))
        data["modules"]["nowhere.conv"] = data["modules"].pop("stem.norm")

    resign(package, "architecture.json", widen)
    with pytest.raises(CheckpointError, match="no module 'nowhere"):
        load_package(package.directory)

    def drop(data: dict) -> None:
        data.update(json.loads(original))
        del data["modules"]["up2.conv"]

    resign(package, "architecture.json", drop)
    with pytest.raises(CheckpointError, match=r"weights.safetensors: .*up2"):
        load_package(package.directory)
    resign(package, "manifest.json", lambda data: data.update(format=99))
    with pytest.raises(CheckpointError, match="format 99"):
        load_package(package.directory)


def test_verification_finds_a_wrong_cost_and_a_wrong_picture(package: Package, supernet: Supernet, tmp_path: Path) -> None:
    resign(package, "costs.json", lambda data: data.update(macs=data["macs"] + 1))
    with pytest.raises(CheckpointError, match="macs is"):
        verify_package(package.directory, EXAMPLE, supernet=supernet)
    resign(package, "costs.json", lambda data: data.update(macs=data["macs"] - 1))
    with torch.no_grad():
        next(package.module.get_submodule("head").parameters()).mul_(1.01)
    other = write_like(package, package.module, tmp_path / "other", scores={}, provenance={})
    with pytest.raises(CheckpointError, match="from the supernet's subnet"):
        verify_package(other.directory, EXAMPLE, supernet=supernet)


def test_verification_counts_at_the_packages_own_shape_whatever_pictures_it_is_shown(package: Package, supernet: Supernet) -> None:
    larger = torch.nn.functional.interpolate(EXAMPLE, scale_factor=2)
    report = verify_package(package.directory, larger, supernet=supernet)
    assert report["macs"] == package.costs["macs"] and report["largest_difference"] <= 1e-5


def test_a_package_has_the_statistics_that_it_was_given(
    supernet: Supernet, space: Space, norm: str, exported: Callable[..., Package]
) -> None:
    candidate = space.candidate(space.smallest())
    statistics = supernet.calibrate(candidate, [torch.randn(3, 4, 16, 24), torch.randn(3, 4, 16, 24)])
    package = exported(candidate, statistics=statistics)
    assert bool(statistics) == (norm == "batch")
    assert all(torch.equal(package.module.get_buffer(name), value) for name, value in statistics.items())
    assert verify_package(package.directory, EXAMPLE, supernet=supernet)["largest_difference"] <= 1e-5
