"""What every registered feature network and segmenter must do. A new one adds one row to ``EXAMPLES``."""

import pytest
import torch
from torch.nn import functional

from autogc.data import DATASETS
from autogc.metrics import FEATURE_NETWORKS, SEGMENTERS, JudgeNetwork
from autogc.metrics.espnet import CAMVID_CLASSES, ESPNet
from autogc.metrics.lenet import LeNet5
from autogc.metrics.registry import Trainable
from autogc.progress import Silent

DATA = DATASETS.build("streets", {"height": 48, "width": 64, "train": 16, "validation": 4, "test": 2}, seed=0)


def dataset_segmenter(registry, _path):
    return registry.build("dataset_segmenter", {"steps": 3, "batch_size": 2, "width": 4}, data=DATA, seed=0)


def espnet_camvid(registry, path):
    """Built from weights of the right shapes that the test makes: what they answer does not matter here."""
    file = path / "weights.pth"
    if not file.exists():
        torch.save(ESPNet().state_dict(), file)
    data = DATASETS.build("streets", {}, seed=0)
    data.class_names = CAMVID_CLASSES
    return registry.build("espnet_camvid", {"weights": str(file)}, data=data, seed=0)


def lenet_mnist(registry, path):
    file = path / "weights.pth"
    if not file.exists():
        torch.save(LeNet5().state_dict(), file)
    return registry.build("lenet_mnist", {"weights": str(file)}, data=DATA, seed=0)


EXAMPLES = {"dataset_segmenter": dataset_segmenter, "espnet_camvid": espnet_camvid, "lenet_mnist": lenet_mnist}


def test_every_network_has_an_example():
    assert set(EXAMPLES) == set(FEATURE_NETWORKS) | set(SEGMENTERS)


def ready(network: JudgeNetwork) -> JudgeNetwork:
    if isinstance(network, Trainable):
        network.fit(DATA, seed=0, device=torch.device("cpu"), progress=Silent())
    return network.eval()


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_it_says_what_it_is_and_hashes_its_weights(name, tmp_path):
    registry = FEATURE_NETWORKS if name in FEATURE_NETWORKS else SEGMENTERS
    first, second = (ready(EXAMPLES[name](registry, tmp_path)) for _ in range(2))
    assert len(first.label) > 20
    assert first.weights_hash == second.weights_hash and len(first.weights_hash) == 64
    with torch.no_grad():
        next(second.parameters()).add_(1e-3)
    assert first.weights_hash != second.weights_hash


@pytest.mark.parametrize("name", list(FEATURE_NETWORKS))
def test_features_tell_pictures_apart_and_each_stands_alone(name, tmp_path):
    network = ready(EXAMPLES[name](FEATURE_NETWORKS, tmp_path))
    real = DATA.validation.batch().target
    with torch.inference_mode():
        features = network.features(real)
        assert features.ndim == 2 and len(features) == 4 and features.dtype == torch.float32
        assert torch.isfinite(features).all()
        alone = torch.cat([network.features(image[None]) for image in real])
        assert torch.allclose(features, alone, rtol=1e-3, atol=1e-4)
        blurred = functional.avg_pool2d(real, 5, 1, 2, count_include_pad=False)
        assert (network.features(blurred) - features).abs().max() > 1e-5


@pytest.mark.parametrize("name", list(SEGMENTERS))
def test_segments_are_classes_at_the_pictures_size(name, tmp_path):
    network = ready(EXAMPLES[name](SEGMENTERS, tmp_path))
    with torch.inference_mode():
        found = network.segment(DATA.validation.batch().target)
    assert found.shape == (4, 48, 64) and found.dtype == torch.int64
    assert int(found.min()) >= 0 and int(found.max()) < len(DATA.class_names)
