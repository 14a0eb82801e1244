"""The grid's columns and inputs for every kind of dataset."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from autogc.data import DATASETS, Dataset, Samples, Split
from autogc.data.inputs import DomainInput, InputKind, NoiseInput, PictureInput
from autogc.data.samples import DecodedList
from autogc.metrics import Assessment
from autogc.pipeline import pictures
from autogc.pipeline.baseline import enlargement, measured_baseline
from autogc.pipeline.stages import export
from autogc.tracking import SubnetRow

BYTES = np.random.default_rng(0).integers(0, 256, (6, 3, 16, 24)).astype(np.uint8)


def dataset(given: InputKind, samples: Samples, **facts: Any) -> Dataset:
    def split(name: str) -> Split:
        paired = facts["kind"] == "paired"
        return Split(name, names=[f"{name}-{k}" for k in range(6)], input=given, decode=lambda _: samples, paired=paired, scale=scale)

    scale = facts.pop("scale", 1)
    splits = {name: split(name) for name in ("train", "validation", "test")}
    shapes = {"input_shape": (3, 16, 24), "target_shape": (3, 16, 24)}
    return Dataset(**splits, **shapes, class_names=(), description="", fingerprint="", **facts)


def super_resolution() -> Dataset:
    large = [BYTES[k, :, : 16 - 8 * (k % 2)] for k in range(6)]
    small = [one[:, ::2, ::2] for one in large]
    return dataset(PictureInput(), Samples(inputs=DecodedList(small), targets=DecodedList(large)), kind="paired", scale=2)


def unpaired() -> Dataset:
    return dataset(PictureInput(), Samples(inputs=BYTES, targets=255 - BYTES), kind="unpaired")


def noise() -> Dataset:
    return dataset(NoiseInput(channels=8, seed=0), Samples(targets=BYTES), kind="unconditional")


def domains() -> Dataset:
    belongs = np.eye(3, dtype=np.uint8)[[0, 0, 0, 1, 1, 2]]
    return dataset(DomainInput(), Samples(targets=BYTES, domains=belongs), kind="domains", domain_names=("old", "young", "male"))


class Twice(torch.nn.Module):
    """Whatever comes in, a picture of twice the size or of 16 x 24 comes out."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if inputs.shape[-1] == 1:
            return inputs.mean((1, 2, 3), keepdim=True).expand(-1, 3, 16, 24)
        return inputs[:, :3].repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize(
    ("build", "titles", "captions"),
    [
        (super_resolution, ["real", "bicubic", "teacher", "abc"], [""] * 4),
        (unpaired, ["teacher", "abc"], [""] * 4),
        (noise, ["teacher", "abc"], [""] * 4),
        (domains, ["teacher", "abc"], ["to young", "to male", "to old", "to old"]),
    ],
)
def test_columns_and_rows(build, titles, captions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, drawn = build(), {}
    original = pictures.image_grid
    monkeypatch.setattr(pictures, "image_grid", lambda rows, path, **k: (drawn.update(k, rows=rows), original(rows, path, **k)))
    run: Any = SimpleNamespace(data=data, teacher=Twice(), device=torch.device("cpu"))
    member = (SubnetRow("abc", macs=1e6), Twice())
    pictures.draw_grid(run, tmp_path / "grid.png", teacher=SubnetRow("teacher"), members=[member], split="test")
    assert (tmp_path / "grid.png").is_file()
    assert [column.title for column in drawn["columns"]] == titles
    assert [row.caption for row in drawn["rows"]] == captions
    for row in drawn["rows"]:
        place = data.test.names.index(row.name)
        batch = data.test.batch([place])
        assert (row.input is None) == (build is noise)
        if row.input is not None:
            assert torch.equal(row.input, batch.input[0, :3])
        if "real" in titles:
            assert torch.equal(row.images[0], batch.target[0])


def test_label_maps_are_shown_without_the_borders_between_instances() -> None:
    data = DATASETS.build("streets", {"height": 32, "width": 32, "train": 2, "validation": 2, "test": 2}, seed=0)
    given, asked = pictures.shown_input(data, data.test, data.test.batch([0]))
    assert given is not None and given.shape[0] == len(data.class_names) and asked == ""
    assert pictures.shows_classes(data, data.test) and not pictures.shows_classes(noise(), noise().test)


def test_bicubic_enlargement_is_scored_once_where_there_is_something_to_enlarge(tmp_path: Path) -> None:
    asked = []

    class Judge:
        def score(self, generate: Any, split: Split) -> Assessment:
            asked.append(split.name)
            return Assessment({"psnr": float(generate(split.batch([0]).input).shape[-1])})

    run: Any = SimpleNamespace(data=super_resolution(), judge=Judge(), stage_directory=lambda name: tmp_path / name)
    assert measured_baseline(run) == measured_baseline(run) == SubnetRow("bicubic", scores={"psnr": 24.0})
    assert asked == ["test"]
    run.data = unpaired()
    assert measured_baseline(run) is None and enlargement(domains()) is None


def test_a_package_is_verified_on_pictures_of_different_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(export, "verify_package", lambda directory, images, **given: seen.append(images))
    experiment = SimpleNamespace(generator=SimpleNamespace(source=None))
    run: Any = SimpleNamespace(data=super_resolution(), supernet=Twice(), device=torch.device("cpu"), experiment=experiment)
    export._verify(run, tmp_path)
    assert tuple(seen[0].shape) == (1, 3, 8, 12)
