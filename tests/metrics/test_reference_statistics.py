"""Reference statistics from files: what they equal, and what is refused."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from inception_weights import random_state
from kinds import unpaired
from safetensors.torch import save_file
from scipy import linalg

from autogc.config.experiment import Component, ScoresConfig
from autogc.data import DATASETS
from autogc.errors import ConfigError, MetricError, RunDirectoryError
from autogc.files import sha256_file
from autogc.metrics import FEATURE_NETWORKS, Judge, statistics
from autogc.metrics.judge_networks import download, inception
from autogc.metrics.metric import REMEDIES
from autogc.metrics.networks import Networks
from autogc.progress import Silent

DATA = DATASETS.build("streets", {"height": 32, "width": 32, "train": 4, "validation": 6, "test": 4}, seed=0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "published.pth"
    torch.save(random_state(), path)
    return path


@pytest.fixture(autouse=True, scope="module")
def as_if_published(weights):
    """The test's file takes the part of the published one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "PUBLISHED", replace(inception.PUBLISHED, sha256=sha256_file(weights)))
        patch.setattr(download.urllib.request, "urlopen", None)
        yield


@pytest.fixture(scope="module")
def taken(weights, as_if_published):
    """The statistics of the test split."""
    return gathered(component(weights), DATA.test)


def component(weights, features=64, **args):
    return Component(name="inception_fid", args={"weights": str(weights), "features": features, **args})


def judge(tmp_path, network, reference, *, data=DATA):
    scores = ScoresConfig(feature_network=network, segmenter=None, reference=reference)
    return Judge.prepare(scores, data, tmp_path / "judge", seed=0)


def network_of(component):
    return FEATURE_NETWORKS.build(component.name, component.args, data=DATA, seed=0)


def gathered(component, split):
    return statistics.gather(network_of(component), split, data="streets", device=torch.device("cpu"), progress=Silent())


def grey(inputs):
    return torch.zeros(len(inputs), 3, 32, 32)


def textbook(first, second):
    """The distance as the FID paper has it, with scipy's square root of a product."""
    means, covariances = [one.mean(0) for one in (first, second)], [np.cov(one, rowvar=False) for one in (first, second)]
    with warnings.catch_warnings():
        # Of a product that is singular, as it is with fewer pictures than features.
        warnings.simplefilter("ignore")
        root = linalg.sqrtm(covariances[0] @ covariances[1])
    return np.square(means[0] - means[1]).sum() + np.trace(covariances[0] + covariances[1] - 2 * root.real)


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_a_score_by_statistics_is_the_score_by_pictures(tmp_path, weights, taken, ending):
    network, path = component(weights), tmp_path / f"test.{ending}"
    statistics.write(taken, path, network=network_of(network))
    by_file = judge(tmp_path / "a", network, {"test": str(path)})
    by_pictures = judge(tmp_path / "b", network, {})
    expected = by_pictures.score(grey, DATA.test, metrics=["fid"]).scores["fid"]
    assert by_file.score(grey, DATA.test, metrics=["fid"]).scores["fid"] == pytest.approx(expected, rel=1e-6)
    said = by_file.provenance(DATA.test)
    assert said["reference_hash"] == sha256_file(path)
    assert path.name in said["reference_statistics"]
    assert said["reference_images"] == (4 if ending == "safetensors" else None)
    # The other split is compared with its pictures.
    assert by_file.provenance(DATA.validation)["reference_statistics"] is None


def test_fid_by_an_npz_is_the_textbooks(tmp_path, weights):
    network = network_of(component(weights))
    with torch.inference_mode():
        real, other = (network.features(split.batch().target).double().numpy() for split in (DATA.validation, DATA.test))
    # Full rank, as a real reference is.
    real = np.concatenate([real + 0.01 * np.random.default_rng(seed).standard_normal(real.shape) for seed in range(20)])
    np.savez(tmp_path / "real.npz", mu=real.mean(0), sigma=np.cov(real, rowvar=False))
    batches = DATA.test.batches(4)
    found = judge(tmp_path, component(weights), str(tmp_path / "real.npz")).score(
        lambda _: next(batches).target, DATA.test, metrics=["fid"]
    )
    assert found.scores["fid"] == pytest.approx(textbook(other, real), rel=1e-5)


def test_sums_are_those_of_the_samples(weights):
    found, network = gathered(component(weights), DATA.validation), network_of(component(weights))
    with torch.inference_mode():
        features = network.features(DATA.validation.batch().target).double().numpy()
    assert np.allclose(found.mean, features.mean(0), atol=1e-7)
    assert np.allclose(found.covariance, np.cov(features, rowvar=False), atol=1e-7)


def test_pictures_that_are_not_paired_are_all_taken(weights):
    data = unpaired()
    assert gathered(component(weights), data.validation).images == 34


def test_npz_files_are_pytorch_fids(tmp_path, weights, taken):
    network = component(weights)
    statistics.write(taken, tmp_path / "test.npz", network=network_of(network))
    with np.load(tmp_path / "test.npz", allow_pickle=False) as archive:
        assert set(archive) == {"mu", "sigma"}
        assert archive["mu"].shape == (64,) and archive["sigma"].shape == (64, 64) and archive["sigma"].dtype == np.float64
    with pytest.raises(ConfigError, match=r"stands for pytorch-fid's network and resizing, .*clean-fid's.* write a \.safetensors"):
        statistics.write(taken, tmp_path / "clean.npz", network=network_of(component(weights, resizing="clean_fid")))
    with pytest.raises(ConfigError, match=r"not as test\.json"):
        statistics.write(taken, tmp_path / "test.json", network=network_of(network))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"resizing": "clean_fid"}, "was made with the resizing 'pytorch_fid', here it is 'clean_fid'"),
        ({"features": 192}, "has 64 features, and the feature network gives 192"),
    ],
)
def test_statistics_of_another_protocol_are_refused(tmp_path, weights, taken, other, said):
    path = tmp_path / "test.safetensors"
    statistics.write(taken, path, network=network_of(component(weights)))
    with pytest.raises(ConfigError, match=said):
        judge(tmp_path, component(weights, **other), str(path))
    assert not (tmp_path / "judge").exists()


def test_statistics_of_another_network_are_refused(tmp_path, weights, taken):
    path, others = tmp_path / "test.safetensors", tmp_path / "others.pth"
    statistics.write(taken, path, network=network_of(component(weights)))
    torch.save(random_state(seed=1), others)
    with pytest.raises(
        ConfigError, match=r"was made by another feature network: Inception-v3 of FID.*here it is .*others\.pth, which are not"
    ):
        judge(tmp_path, component(others), str(path))
    np.savez(tmp_path / "real.npz", mu=np.zeros(64), sigma=np.eye(64))
    with pytest.raises(ConfigError, match="does not say by which network it was made"):
        judge(tmp_path, component(others), str(tmp_path / "real.npz"))


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_a_network_that_is_trained_for_the_run_is_refused_before_it_is(tmp_path, weights, taken, ending, monkeypatch):
    path = tmp_path / f"test.{ending}"
    statistics.write(taken, path, network=network_of(component(weights)))
    trained = Component(name="dataset_segmenter", args={"steps": 1, "batch_size": 1, "width": 4})
    monkeypatch.setattr(Networks, "fit", None)
    with pytest.raises(ConfigError, match="can't be of this feature network, which is trained anew for each run"):
        judge(tmp_path, trained, {"test": str(path)})


def test_the_wrong_size_is_told_before_weights_are_downloaded(tmp_path, weights, taken, monkeypatch):
    path = tmp_path / "test.npz"
    statistics.write(taken, path, network=network_of(component(weights)))
    monkeypatch.setattr(download.Published, "find", lambda self: None)
    scores = ScoresConfig(feature_network=Component(name="inception_fid"), segmenter=None, reference={"test": str(path)})
    absent = Networks.build(scores, DATA, seed=0)
    with pytest.raises(ConfigError, match=r"test\.npz has 64 features, and the feature network gives 2048"):
        statistics.given(scores, absent, DATA, trained=False)


def test_statistics_of_one_split_do_not_stand_for_another(tmp_path, weights, taken):
    path = tmp_path / "test.safetensors"
    statistics.write(taken, path, network=network_of(component(weights)))
    with pytest.raises(
        ConfigError, match=r"is of this dataset's test split, and it was given to the validation split: write reference: \{test: "
    ):
        judge(tmp_path, component(weights), str(path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"mu": np.zeros(64)}, "does not hold mu and sigma"),
        ({"mu": np.zeros(64), "sigma": np.eye(63)}, r"the mean \(64,\) and the covariance \(63, 63\)"),
        ({"mu": np.full(64, np.nan), "sigma": np.eye(64)}, "holds NaN or infinity"),
        ({"mu": np.zeros(64), "sigma": np.triu(np.ones((64, 64)))}, "not symmetric"),
        ({"mu": np.zeros(64), "sigma": -np.eye(64)}, "negative variances"),
        ({"mu": np.array([{}] * 64), "sigma": np.eye(64)}, "does not hold mu and sigma .*allow_pickle=False"),
    ],
)
def test_what_is_no_statistics(tmp_path, weights, content, said):
    np.savez(tmp_path / "real.npz", **content)
    with pytest.raises(ConfigError, match=said):
        judge(tmp_path, component(weights), str(tmp_path / "real.npz"))


def test_files_that_are_not_there_or_damaged_are_told_together(tmp_path, weights):
    (tmp_path / "damaged.npz").write_bytes(b"PK")
    save_file({"mean": torch.zeros(64)}, tmp_path / "bare.safetensors")
    names = dict(zip(("train", "validation", "test"), ("damaged.npz", "bare.safetensors", "none.npz"), strict=True))
    with pytest.raises(ConfigError) as found:
        judge(tmp_path, component(weights), {split: str(tmp_path / name) for split, name in names.items()})
    assert len(found.value.problems) == 3
    assert "none.npz does not exist; autogc data statistics writes" in str(found.value)


def test_what_needs_each_real_picture_is_not_offered(tmp_path, weights):
    np.savez(tmp_path / "real.npz", mu=np.zeros(64), sigma=np.eye(64))
    scores = ScoresConfig(feature_network=component(weights), segmenter=None, reference=str(tmp_path / "real.npz"))
    offers = Networks.build(scores, DATA, seed=0).offers(DATA, scores.pixels)
    assert "features" in offers and "real_features" not in offers
    assert scores.reference == dict.fromkeys(("train", "validation", "test"), str(tmp_path / "real.npz"))
    assert "no scores.reference" in REMEDIES["real_features"]


def test_another_file_makes_another_judge(tmp_path, weights):
    for seed in (0, 1):
        np.savez(tmp_path / f"{seed}.npz", mu=np.full(64, float(seed)), sigma=np.eye(64))
    judge(tmp_path, component(weights), str(tmp_path / "0.npz"))
    with pytest.raises(RunDirectoryError, match="reference"):
        judge(tmp_path, component(weights), str(tmp_path / "1.npz"))


def test_one_picture_is_too_few(weights):
    one = DATASETS.build("streets", {"height": 32, "width": 32, "train": 2, "validation": 1, "test": 1}, seed=0)
    with pytest.raises(MetricError, match="at least two real pictures, and the test split has 1"):
        gathered(component(weights), one.test)
