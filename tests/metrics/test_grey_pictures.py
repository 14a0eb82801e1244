"""Every score that there is, of grey pictures, by one judge."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autogc.config.experiment import Component, ScoresConfig
from autogc.data import DATASETS, Dataset, Samples, Split
from autogc.data.inputs import PictureInput
from autogc.metrics import METRICS, Judge
from autogc.metrics.judge_networks.lenet import LeNet5
from autogc.metrics.judge_networks.lpips import ALEXNET, Lpips

SEGMENTER = Component(name="dataset_segmenter", args={"steps": 2, "batch_size": 2, "width": 4})


def grey_streets() -> Dataset:
    """Streets and their labels, one channel of them to be made of the other two."""
    colour = DATASETS.build("streets", {"height": 33, "width": 40, "train": 6, "validation": 8, "test": 4}, seed=0)
    splits = {}
    for split in colour.splits:
        there = split.load()
        part = Samples(inputs=there.targets, targets=there.targets[:, :1], labels=there.labels)
        splits[split.name] = Split(split.name, names=split.names, input=PictureInput(), decode=lambda _, part=part: part, paired=True)
    return Dataset(
        **splits, kind="paired", input_shape=(3, 33, 40), target_shape=(1, 33, 40), class_names=colour.class_names,
        description="grey streets", fingerprint="grey streets",
    )  # type: ignore[arg-type]  # fmt: skip


def weights(directory: Path) -> dict[str, str]:
    torch.manual_seed(0)
    lpips = Lpips(ALEXNET)
    for parameter in lpips.layers.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    for layer in lpips.linear.parameters():
        layer.data.abs_()
    layers = {f"features.{place}": layer for place, layer in enumerate(lpips.layers.values())}
    states = {
        "lenet": LeNet5().state_dict(),
        "backbone": {f"{key}.{part}": value for key, layer in layers.items() for part, value in layer.state_dict().items()},
        "linear": lpips.linear.state_dict(),
    }
    for name, state in states.items():
        torch.save(state, directory / f"{name}.pth")
    return {name: str(directory / f"{name}.pth") for name in states}


def test_every_score_takes_grey_pictures_and_finds_noise_worse(tmp_path: Path) -> None:
    data, files = grey_streets(), weights(tmp_path)
    scores = ScoresConfig(
        feature_network=Component(name="lenet_mnist", args={"weights": files.pop("lenet")}),
        segmenter=SEGMENTER,
        similarity=Component(name="lpips_alex", args=files),
    )
    judge = Judge.prepare(scores, data, tmp_path / "judge", seed=0)
    assert set(judge.metrics) == set(METRICS)
    batches = [data.validation.batches(5) for _ in range(2)]
    same = judge.score(lambda inputs: next(batches[0]).target, data.validation, batch_size=5).scores
    assert set(same) == set(METRICS)
    assert (same["lpips"], same["ssim"], same["psnr"], same["precision"], same["recall"]) == (0, pytest.approx(1), 100, 1, 1)
    assert same["fid"] == pytest.approx(0, abs=1e-6)
    real = judge.provenance(data.validation)["real_scores"]
    assert {name: same[name] for name in real} == pytest.approx(real, rel=1e-4) and "vol" in real
    noise = torch.Generator().manual_seed(0)
    other = judge.score(
        lambda inputs: next(batches[1]).target + 0.5 * torch.randn(len(inputs), 1, 33, 40, generator=noise), data.validation, batch_size=5
    ).scores
    for name in ("fid", "kid", "lpips", "ssim", "psnr"):
        assert (other[name] < same[name]) == METRICS[name].higher_is_better, name
        assert other[name] != same[name]
