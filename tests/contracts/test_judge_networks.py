"""What every registered feature network and segmenter must do. A new one adds one row to ``EXAMPLES``."""

import functools
import tempfile
import warnings
from pathlib import Path

import pytest
import torch
from dataset_examples import celeba
from inception_weights import random_state
from torch.nn import functional

from autogc.data import DATASETS, Dataset
from autogc.metrics import FEATURE_NETWORKS, SEGMENTERS, JudgeNetwork
from autogc.metrics.judge_networks.drn import CITYSCAPES_CLASSES, DRN
from autogc.metrics.judge_networks.espnet import CAMVID_CLASSES, ESPNet
from autogc.metrics.judge_networks.lenet import LeNet5
from autogc.metrics.registry import Trainable
from autogc.models import DISCRIMINATORS
from autogc.progress import Silent

DATA = DATASETS.build("streets", {"height": 48, "width": 64, "train": 16, "validation": 4, "test": 2}, seed=0)
# For files that are too large to be written for every test; gone at the end.
LARGE = tempfile.TemporaryDirectory()


# Each returns a network as the registry builds it, and the dataset that it may be trained on.


def dataset_segmenter(registry, _path):
    return registry.build("dataset_segmenter", {"steps": 3, "batch_size": 2, "width": 4}, data=DATA, seed=0), DATA


def dataset_classifier(registry, path):
    data = celeba(path)
    return registry.build("dataset_classifier", {"steps": 3, "batch_size": 2, "width": 4}, data=data, seed=0), data


def dataset_rotations(registry, _path):
    return registry.build("dataset_rotations", {"steps": 3, "batch_size": 2, "width": 4, "patch": 32}, data=DATA, seed=0), DATA


def espnet_camvid(registry, path):
    """Built from weights of the right shapes that the test makes: what they answer does not matter here."""
    data = DATASETS.build("streets", {}, seed=0)
    data.class_names = CAMVID_CLASSES
    return registry.build("espnet_camvid", {"weights": weights_of(ESPNet(), path)}, data=data, seed=0), data


def lenet_mnist(registry, path):
    return registry.build("lenet_mnist", {"weights": weights_of(LeNet5(), path)}, data=DATA, seed=0), DATA


def inception_fid(registry, path):
    if not (path / "weights.pth").exists():
        torch.save(random_state(), path / "weights.pth")
    return registry.build("inception_fid", {"weights": str(path / "weights.pth")}, data=DATA, seed=0), DATA


def efficientnet_lite0(registry, _path):
    """Built from the published weights, which the tests install."""
    return registry.build("efficientnet_lite0", {}, data=DATA, seed=0), DATA


def network_file(registry, path):
    if not (path / "weights.pt").exists():
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(8, 16, 3)).eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.script(network), path / "weights.pt")
    return registry.build("network_file", {"file": str(path / "weights.pt"), "size": [32, 40]}, data=DATA, seed=0), DATA


def segmenter_file(registry, path):
    network_file(FEATURE_NETWORKS, path)
    classes = {name: place for place, name in enumerate(DATA.class_names)}
    args = {"file": str(path / "weights.pt"), "size": [96, 120], "classes": classes, "others": "unlabelled"}
    return registry.build("segmenter_file", args, data=DATA, seed=0), DATA


def drn_cityscapes(registry, _path):
    """Built from weights of the right shapes; one file of them for all tests, because it is large."""
    data = DATASETS.build("streets", {"height": 48, "width": 64, "train": 16, "validation": 4, "test": 2}, seed=0)
    data.class_names = CITYSCAPES_CLASSES
    return registry.build("drn_cityscapes", {"weights": drn_weights()}, data=data, seed=0), data


@functools.cache
def drn_weights():
    network = DRN().half()
    return weights_of(network, Path(LARGE.name))


def teacher_discriminator(registry, _path):
    network = registry.build("teacher_discriminator", {}, data=DATA, seed=0)
    torch.manual_seed(0)
    network.take(DISCRIMINATORS.build("multi_scale", {"base_channels": 4}, in_channels=3))
    return network, DATA


def weights_of(network, path):
    file = path / "weights.pth"
    if not file.exists():
        torch.save(network.state_dict(), file)
    return str(file)


EXAMPLES = {
    "dataset_segmenter": dataset_segmenter,
    "dataset_classifier": dataset_classifier,
    "dataset_rotations": dataset_rotations,
    "espnet_camvid": espnet_camvid,
    "lenet_mnist": lenet_mnist,
    "drn_cityscapes": drn_cityscapes,
    "inception_fid": inception_fid,
    "efficientnet_lite0": efficientnet_lite0,
    "network_file": network_file,
    "segmenter_file": segmenter_file,
    "teacher_discriminator": teacher_discriminator,
}


def test_every_network_has_an_example():
    assert set(EXAMPLES) == set(FEATURE_NETWORKS) | set(SEGMENTERS)


def ready(name, registry, path) -> JudgeNetwork:
    return with_data(name, registry, path)[0]


def with_data(name, registry, path) -> tuple[JudgeNetwork, Dataset]:
    network, data = EXAMPLES[name](registry, path)
    if isinstance(network, Trainable):
        network.fit(data, seed=0, device=torch.device("cpu"), progress=Silent())
    return network.eval(), data


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_it_says_what_it_is_and_hashes_its_weights(name, tmp_path):
    registry = FEATURE_NETWORKS if name in FEATURE_NETWORKS else SEGMENTERS
    first, second = (ready(name, registry, tmp_path) for _ in range(2))
    assert len(first.label) > 20
    assert first.weights_hash == second.weights_hash and len(first.weights_hash) == 64
    with torch.no_grad():
        next(second.parameters()).add_(1e-3)
    assert first.weights_hash != second.weights_hash


@pytest.mark.parametrize("name", list(FEATURE_NETWORKS))
def test_features_tell_pictures_apart_and_each_stands_alone(name, tmp_path):
    network = ready(name, FEATURE_NETWORKS, tmp_path)
    real = DATA.validation.batch().target
    with torch.inference_mode():
        features = network.features(real)
        assert features.ndim == 2 and len(features) == 4 and features.dtype == torch.float32
        assert torch.isfinite(features).all()
        alone = torch.cat([network.features(image[None]) for image in real])
        assert torch.allclose(features, alone, rtol=1e-3, atol=1e-4)
        blurred = functional.avg_pool2d(real, 5, 1, 2, count_include_pad=False)
        assert (network.features(blurred) - features).abs().max() > 1e-5


@pytest.mark.parametrize("name", list(FEATURE_NETWORKS))
def test_one_that_classifies_gives_distributions_beside_the_same_features(name, tmp_path):
    network = ready(name, FEATURE_NETWORKS, tmp_path)
    if not network.classifies:
        pytest.skip("it does not classify")
    pictures = DATA.validation.batch().target
    with torch.inference_mode():
        features, probabilities = network.features_and_probabilities(pictures)
        assert torch.equal(features, network.features(pictures))
    assert probabilities.ndim == 2 and probabilities.shape[1] > 1 and float(probabilities.min()) >= 0
    assert torch.allclose(probabilities.sum(1), torch.ones(len(pictures)), atol=1e-5)


@pytest.mark.parametrize("name", list(SEGMENTERS))
@pytest.mark.parametrize("size", [(48, 64), (90, 120), (30, 44)], ids=str)
def test_segments_are_classes_at_the_labels_size(name, size, tmp_path):
    network, data = with_data(name, SEGMENTERS, tmp_path)
    pictures = DATA.validation.batch().target
    with torch.inference_mode():
        found = network.segment(pictures, size)
        alone = torch.cat([network.segment(picture[None], size) for picture in pictures])
    assert found.shape == (4, *size) and found.dtype == torch.uint8
    assert set(found.unique().tolist()) <= {*range(len(data.class_names)), data.ignore_index}
    assert (found == alone).float().mean() > 0.99
