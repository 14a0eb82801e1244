"""The judge: the same scores from memory, from disk and from a worker; and no score for what is no picture."""

import pickle
import shutil
from contextlib import nullcontext

import pytest
import torch

from autogc.config.experiment import Component, ScoresConfig
from autogc.data import DATASETS
from autogc.errors import CheckpointError, ConfigError, MetricError, RunDirectoryError
from autogc.files import read_json
from autogc.metrics import METRICS, Judge, confusion_matrix, frechet_distance_from_samples, mean_iou, pixel_accuracy
from autogc.metrics.assessment import Look
from autogc.metrics.psnr import psnr
from autogc.metrics.ssim import ssim

ARGS = {"steps": 40, "batch_size": 4, "width": 4}
SMALL = {"height": 32, "width": 32, "train": 32, "validation": 24, "test": 8}
NETWORK = Component(name="dataset_segmenter", args=ARGS)
SCORES = ScoresConfig(feature_network=NETWORK, segmenter=NETWORK)
DATA = DATASETS.build("streets", SMALL, seed=0)


def grey(inputs):
    return torch.zeros(len(inputs), 3, *inputs.shape[-2:])


def perfect(split, batch_size=16):
    batches = split.batches(batch_size)
    return lambda inputs: next(batches).target


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run") / "evaluators"
    return Judge.prepare(SCORES, DATA, directory, seed=0), directory


def test_one_network_serves_both_scores(prepared):
    judge, directory = prepared
    assert judge.networks.segmenter is judge.networks.features
    assert [path.name for path in directory.glob("*.safetensors")] == ["feature_network.safetensors"]


def test_real_pictures_are_perfect(prepared):
    judge, _ = prepared
    scores = judge.score(perfect(DATA.validation), DATA.validation).scores
    assert scores["fid"] == pytest.approx(0, abs=1e-9)
    assert scores["miou"] == judge.provenance(DATA.validation)["real_scores"]["miou"]


def test_scores_are_those_of_the_parts(prepared):
    judge, _ = prepared
    batch = DATA.validation.batch()
    made = (batch.target * 0.5).mul(127.5).add(127.5).round().div(127.5).sub(1)
    with torch.inference_mode():
        network = judge.networks.features
        fid = frechet_distance_from_samples(network.features(made), network.features(batch.target))
        confusion = confusion_matrix(network.segment(made, (32, 32)), batch.labels, classes=11)
    real = perfect(DATA.validation)
    scores = judge.score(lambda inputs: real(inputs) * 0.5, DATA.validation).scores
    signal, similarity = float(psnr(made, batch.target).mean()), float(ssim(made, batch.target).mean())
    expected = {
        "fid": pytest.approx(fid, rel=1e-4),
        "miou": pytest.approx(mean_iou(confusion), abs=1e-6),
        "pixel_accuracy": pytest.approx(pixel_accuracy(confusion), abs=1e-6),
        "psnr": pytest.approx(signal),
        "ssim": pytest.approx(similarity),
    }
    assert {name: scores[name] for name in expected} == expected


def test_the_batch_size_does_not_matter(prepared):
    judge, _ = prepared
    scores = [judge.score(grey, DATA.validation, batch_size=size).scores for size in (5, 24)]
    assert scores[0]["fid"] == pytest.approx(scores[1]["fid"], rel=1e-5)
    assert scores[0]["miou"] == pytest.approx(scores[1]["miou"], abs=1e-4)


def test_splits_of_one_name_but_of_other_datasets_are_not_confused(prepared):
    judge, _ = prepared
    other = DATASETS.build("streets", SMALL, seed=9).validation
    assert judge.provenance(other)["reference_hash"] != judge.provenance(DATA.validation)["reference_hash"]
    assert judge.score(perfect(other), other, metrics=["fid"]).scores["fid"] == pytest.approx(0, abs=1e-9)
    assert judge.score(perfect(other), DATA.validation, metrics=["fid"]).scores["fid"] > 1e-3


def test_only_the_metrics_asked_for(prepared):
    judge, _ = prepared
    assert set(judge.score(grey, DATA.validation, metrics=("miou",)).scores) == {"miou"}
    assert set(judge.score(grey, DATA.validation, metrics=["fid"], images=9).scores) == {"fid"}


def test_a_second_judge_comes_from_disk(prepared, monkeypatch):
    judge, directory = prepared
    expected = judge.score(grey, DATA.validation)
    monkeypatch.setattr(type(judge.networks.features), "fit", None)
    again = Judge.prepare(SCORES, DATA, directory, seed=0)
    # Its reference is read, not computed.
    monkeypatch.setattr(again, "_judge_real", None)
    assert again.real_images(DATA.validation).reference_hash == judge.real_images(DATA.validation).reference_hash
    monkeypatch.undo()
    assert again.score(grey, DATA.validation) == expected


def test_what_was_cut_off_before_the_end_is_made_again_the_same(prepared, tmp_path):
    judge, _ = prepared
    again = Judge.prepare(SCORES, DATA, tmp_path / "evaluators", seed=0)
    assert again.networks.hashes() == judge.networks.hashes()


def test_a_worker_needs_no_files(prepared, tmp_path):
    judge, _ = prepared
    expected = judge.score(grey, DATA.validation)
    packed = pickle.dumps((judge, DATA.validation))
    copy, split = pickle.loads(packed)
    assert copy.directory is None
    assert copy.score(grey, split) == expected
    assert len(pickle.dumps(judge)) < 1_000_000


def test_a_worker_without_a_gpu_can_take_the_judge(prepared, monkeypatch):
    judge, _ = prepared
    monkeypatch.setattr(judge, "device", torch.device("cuda"))
    assert pickle.loads(pickle.dumps(judge)).device == torch.device("cpu")
    assert judge.device == torch.device("cuda")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_pictures_that_are_not_finite(prepared, value):
    judge, _ = prepared

    def broken(inputs):
        made = grey(inputs)
        made[2, 0, 3, 3] = value
        return made

    with pytest.raises(MetricError, match=r"'validation-00002' holds NaN or infinity \(1 of 16"):
        judge.score(broken, DATA.validation)


def test_pictures_of_another_size(prepared):
    with pytest.raises(MetricError, match=r"made \(16, 3, 8, 8\)"):
        prepared[0].score(lambda inputs: torch.zeros(16, 3, 8, 8), DATA.validation)


def test_too_few_images(prepared):
    with pytest.raises(MetricError, match="fid needs at least 2 generated images, and there are 1"):
        prepared[0].score(grey, DATA.validation, metrics=("fid",), images=1)


def test_of_few_images_those_scores_are_given_that_they_suffice_for(prepared):
    judge, _ = prepared
    scores = judge.score(grey, DATA.validation, images=3).scores
    assert set(scores) == set(judge.metrics) - {"precision", "recall"}
    said = judge.provenance(DATA.validation, images=3)["left_out"]
    assert set(said) == {"precision", "recall"} and "precision needs at least 4 generated images, and there are 3" in said["precision"]
    assert judge.provenance(DATA.validation)["left_out"] == {}


def test_a_first_look_sees_the_first_batches_alone_and_may_end_there(prepared):
    judge, _ = prepared
    made = []

    def counting(inputs):
        made.append(len(inputs))
        return grey(inputs)

    seen = []
    whole = judge.score(counting, DATA.validation, batch_size=8, look=Look(10, lambda scores: seen.append(scores) is None))
    assert made == [8, 8, 8] and whole.scores == judge.score(grey, DATA.validation, batch_size=8).scores
    assert whole.first.images == 16 and whole.first.scores == seen[0]
    assert whole.first.scores["psnr"] == judge.score(grey, DATA.validation, images=16).scores["psnr"]
    made.clear()
    ended = judge.score(counting, DATA.validation, batch_size=8, look=Look(8, lambda scores: False))
    assert made == [8] and ended.scores == {} and ended.first.images == 8
    assert judge.score(grey, DATA.validation, look=Look(24, lambda scores: False)).first is None, "all are no first ones"


def test_what_shares_a_pass_is_known_of(prepared):
    judge, _ = prepared
    assert judge.sharing(("fid",), DATA.validation) == ("fid", "kid", "precision", "recall")
    assert judge.sharing(("fid",), DATA.validation, images=3) == ("fid", "kid"), "precision needs four"
    assert set(judge.sharing(("miou",), DATA.validation)) == {"miou", "pixel_accuracy"}
    alone = judge.score(grey, DATA.validation, metrics=("fid",)).scores
    together = judge.score(grey, DATA.validation, metrics=judge.sharing(("fid",), DATA.validation)).scores
    assert together["fid"] == alone["fid"] and set(together) > set(alone)


def test_what_the_first_images_cannot_give_is_left_out(prepared, monkeypatch):
    judge, _ = prepared
    original = METRICS["miou"].value

    def value(self):
        if len(self.kept) < 24:
            raise MetricError("mIoU: no labelled pixel to score on")
        return original(self)

    monkeypatch.setattr(METRICS["miou"], "value", value)
    found = judge.score(grey, DATA.validation, metrics=("fid", "miou"), batch_size=8, look=Look(8, lambda scores: True))
    assert set(found.first.scores) == {"fid"} and set(found.scores) == {"fid", "miou"}


def test_every_score_has_an_interval_where_that_is_asked_for(prepared, monkeypatch):
    judge, _ = prepared
    monkeypatch.setattr(judge, "resamples", 20)
    found = judge.score(grey, DATA.validation)
    assert set(found.intervals) == set(found.scores) == set(judge.metrics) >= {"fid", "kid", "precision", "recall", "miou"}
    assert all(lower <= upper for lower, upper in found.intervals.values())
    assert found.intervals["fid"][0] <= found.scores["fid"] <= found.intervals["fid"][1]


def test_the_hash_of_the_reference_tells_how_pictures_were_shown(prepared, monkeypatch):
    judge, directory = prepared
    other = Judge.prepare(SCORES, DATA, directory, seed=0)
    monkeypatch.setattr(other.networks.features, "label", "the same weights, pictures resized in another way")
    assert other.provenance(DATA.validation)["reference_hash"] != judge.provenance(DATA.validation)["reference_hash"]


def test_no_other_process_measures_while_it_scores(prepared, monkeypatch):
    judge, _ = prepared
    held = []
    monkeypatch.setattr("autogc.metrics.judge.working", lambda device: held.append(device) or nullcontext())
    judge.score(grey, DATA.validation, metrics=("psnr",))
    assert held == ["cpu"]


def test_a_network_that_judges_in_another_way_than_before_judges_no_run_of_then(prepared, monkeypatch):
    judge, directory = prepared
    monkeypatch.setattr(type(judge.networks.features), "protocol", 2)
    with pytest.raises(RunDirectoryError, match=r"feature_network \(segmenter trained .*\) judged in another way \(protocol 1, now 2\)"):
        Judge.prepare(SCORES, DATA, directory, seed=0)


def test_a_metric_that_it_cannot_give(tmp_path):
    judge = Judge.prepare(ScoresConfig(feature_network=NETWORK, segmenter=None), DATA, tmp_path / "evaluators", seed=0)
    assert {"fid", "psnr", "ssim"} <= set(judge.metrics) and not {"miou", "inception_score"} & set(judge.metrics)
    assert set(judge.score(grey, DATA.test).scores) == set(judge.metrics)
    with pytest.raises(MetricError, match=r"not 'miou': miou needs scores\.segmenter, which is null"):
        judge.score(grey, DATA.test, metrics=("fid", "miou"))
    with pytest.raises(MetricError, match=r"'inception_score': inception_score needs a .* tells classes apart"):
        judge.score(grey, DATA.test, metrics=("inception_score",))


def test_two_networks_where_the_arguments_differ(tmp_path):
    other = Component(name="dataset_segmenter", args=ARGS | {"width": 8, "steps": 2})
    judge = Judge.prepare(ScoresConfig(feature_network=NETWORK, segmenter=other), DATA, tmp_path / "evaluators", seed=0)
    assert len(judge.networks.distinct) == 2
    again = Judge.prepare(ScoresConfig(feature_network=NETWORK, segmenter=other), DATA, tmp_path / "evaluators", seed=0)
    assert again.networks.hashes() == judge.networks.hashes()


@pytest.mark.parametrize(
    ("scores", "data", "seed", "said"),
    [
        (SCORES, DATA, 1, "seed: 0 there, 1 here"),
        (SCORES, DATASETS.build("streets", SMALL, seed=5), 0, "dataset"),
        (ScoresConfig(feature_network=NETWORK, segmenter=None), DATA, 0, "segmenter"),
    ],
)
def test_a_directory_of_another_judge(prepared, scores, data, seed, said):
    with pytest.raises(RunDirectoryError, match=said):
        Judge.prepare(scores, data, prepared[1], seed=seed)


def test_weights_that_were_changed(prepared, tmp_path):
    shutil.copytree(prepared[1], tmp_path / "evaluators")
    path = tmp_path / "evaluators" / "feature_network.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="was changed"):
        Judge.prepare(SCORES, DATA, tmp_path / "evaluators", seed=0)
    path.unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        Judge.prepare(SCORES, DATA, tmp_path / "evaluators", seed=0)


def test_a_damaged_reference_is_computed_again(prepared, tmp_path):
    expected = prepared[0].score(grey, DATA.validation)
    shutil.copytree(prepared[1], tmp_path / "evaluators")
    for path in (tmp_path / "evaluators" / "references").iterdir():
        path.write_bytes(path.read_bytes()[:-100])
    assert Judge.prepare(SCORES, DATA, tmp_path / "evaluators", seed=0).score(grey, DATA.validation) == expected


def test_provenance_says_what_a_score_depends_on(prepared):
    judge, directory = prepared
    said = judge.provenance(DATA.validation, images=10)
    assert said["images"] == 10 and said["split"] == "validation" and said["seed"] == 0
    assert "not Inception" in said["feature_network"]
    assert said["feature_network_hash"] == read_json(directory / "judge.json")["networks"]["feature_network_hash"]
    assert said["reference_hash"] != judge.provenance(DATA.validation)["reference_hash"]


def test_unknown_networks_and_arguments_are_said_together(tmp_path):
    wrong = ScoresConfig(feature_network=Component(name="inception"), segmenter=Component(name="dataset_segmenter", args={"stesp": 3}))
    with pytest.raises(ConfigError, match=r"(?s)inception.*did you mean 'steps'"):
        Judge.prepare(wrong, DATA, tmp_path / "evaluators", seed=0)
    assert not (tmp_path / "evaluators").exists()
