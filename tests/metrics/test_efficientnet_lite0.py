"""EfficientNet-Lite0 as a judge: it recognises what photographs show, and its scores follow how bad images are."""

from __future__ import annotations

import functools
from pathlib import Path

import kinds
import numpy as np
import pytest
import torch
from lite_by_hand import ByHand, published_state
from photographs import patches, photograph, pixels, signed
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from autogc.config.experiment import Component, ScoresConfig
from autogc.data import DATASETS
from autogc.errors import CheckpointError, ConfigError
from autogc.losses import efficientnet_lite
from autogc.metrics import FEATURE_NETWORKS, Judge, Reference
from autogc.metrics.inception_score import inception_score
from autogc.metrics.judge_networks.efficientnet_lite0 import EfficientNetLite0Judge
from autogc.metrics.kid import kernel_distance
from autogc.metrics.registry import hash_tensors

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
# Places among ImageNet's 1000 classes, in the order of their WordNet identifiers.
CATS = {"tabby": 281, "tiger cat": 282, "Persian cat": 283, "Siamese cat": 284, "Egyptian cat": 285}
ESPRESSO, MOPED, SCOOTER = 967, 665, 670
ROCKETS = {"drilling platform": 540, "missile": 657, "projectile": 744, "space shuttle": 812}


def build(**args: object) -> EfficientNetLite0Judge:
    data = DATASETS.build("streets", {"height": 48, "width": 64, "train": 2, "validation": 2, "test": 2}, seed=0)
    network = FEATURE_NETWORKS.build("efficientnet_lite0", args, data=data, seed=0)
    assert isinstance(network, EfficientNetLite0Judge)
    return network


@functools.cache
def judge() -> EfficientNetLite0Judge:
    return build()


def probabilities(image: Tensor) -> Tensor:
    with torch.inference_mode():
        return judge().features_and_probabilities(image)[1][0]


def test_a_cat_is_a_cat_and_coffee_an_espresso() -> None:
    cat = probabilities(photograph("chelsea.png"))
    assert int(cat.argmax()) in CATS.values() and float(cat[list(CATS.values())].sum()) > 0.9
    coffee = probabilities(photograph("coffee.png"))
    assert int(coffee.argmax()) == ESPRESSO and float(coffee.max()) > 0.8
    motorcycle = probabilities(photograph("motorcycle_left.png"))
    assert int(motorcycle.argmax()) == MOPED and float(motorcycle[[MOPED, SCOOTER]].sum()) > 0.7
    rocket = probabilities(photograph("rocket.jpg"))
    assert int(rocket.argmax()) in ROCKETS.values() and float(rocket[list(ROCKETS.values())].sum()) > 0.5


@pytest.mark.data
@pytest.mark.parametrize(
    ("number", "name", "place"), [(1, "baboon", 372), (11, "monarch", 323), (12, "bell pepper", 945), (14, "zebra", 340)]
)
def test_set14_shows_what_everybody_knows_it_shows(number: int, name: str, place: int) -> None:
    path = next((SHARED / "sr" / "Set14").rglob(f"*img_{number:03}*HR.png"), None)
    if path is None:
        pytest.skip(f"no Set14 under {SHARED}")
    found = probabilities(signed(np.asarray(Image.open(path).convert("RGB"))))
    # The baboon is a mandrill, which its neighbours among the classes are not.
    assert int(found.argmax()) == place and float(found.max()) > 0.7, name


def test_other_preprocessing_recognises_less() -> None:
    """Pixels in 0..1, or 0..255, or normalised twice: what a wrong constant would give."""
    images = [(photograph("chelsea.png"), list(CATS.values())), (photograph("coffee.png"), [ESPRESSO])]
    network = judge().network
    right = sum(float(probabilities(image)[places].sum()) for image, places in images)
    changes = {
        "0..1": lambda x: (x * 128 + 127) / 255,
        "0..255": lambda x: x * 128 + 127,
        "blue first": lambda x: x.flip(1),
        "upside down": lambda x: x.flip(2),
    }
    for name, change in changes.items():
        with torch.inference_mode():
            wrong = sum(float(network(change(judge().preprocess(image))).softmax(1)[0, places].sum()) for image, places in images)
        assert wrong < right, name


def test_features_and_probabilities_are_those_of_the_published_tensors() -> None:
    by_hand = ByHand(published_state())
    image = photograph("coffee.png")
    seen = resized(pixels("coffee.png"))
    with torch.inference_mode():
        features, found = judge().features_and_probabilities(image)
    assert features.shape == (1, 1280) and found.shape == (1, 1000) and features.dtype == found.dtype == torch.float32
    assert float((features - by_hand.features(seen)).abs().max()) < 1e-3
    assert float((found - by_hand.probabilities(seen)).abs().max()) < 1e-4


def resized(values: np.ndarray) -> Tensor:
    """Pixels (H, W, 3) as the network should see them, by Pillow in floating point."""
    channels = [Image.fromarray(values[..., index].astype(np.float32)).resize((224, 224), Image.Resampling.BICUBIC) for index in range(3)]
    return (torch.from_numpy(np.stack(channels))[None].double() - 127) / 128


@pytest.mark.parametrize("size", [(48, 64), (224, 224), (300, 451)], ids=str)
def test_images_of_any_size_are_resized_as_pillow_does(size: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = judge().preprocess(signed(values))
    assert float((found - resized(values)).abs().max()) < 1e-4


# Levels of what is done to images; 0 leaves them as they are.
def blurred(images: Tensor, level: int) -> Tensor:
    return F.avg_pool2d(images, 2 * level + 1, 1, level, count_include_pad=False) if level else images


def noisy(images: Tensor, level: int) -> Tensor:
    return images + 0.1 * level * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))


@functools.cache
def observed(change: str, level: int) -> tuple[Tensor, Tensor]:
    images = {"blur": blurred, "noise": noisy}[change](patches(40)[20:], level)
    with torch.inference_mode():
        return judge().features_and_probabilities(images)


@functools.cache
def real() -> Tensor:
    with torch.inference_mode():
        return judge().features(patches(40)[:20])


@pytest.mark.parametrize("change", ["blur", "noise"])
def test_distances_to_other_patches_of_the_photographs_rise_with(change: str) -> None:
    fids, kids = [], []
    for level in (0, 1, 3):
        features = observed(change, level)[0] if level else observed("blur", 0)[0]
        fids.append(Reference(real()).distance(features))
        kids.append(kernel_distance(features, real()))
    assert 0 < fids[0] < fids[1] < fids[2] and kids[0] < kids[1] < kids[2]
    # Not by a hair. FID of so few images is mostly bias, which KID does not have.
    assert fids[2] > 1.3 * fids[0] and kids[2] > 3 * abs(kids[0])


def test_the_inception_score_over_its_classes_falls_when_nothing_can_be_recognised() -> None:
    sharp, ruined = (float(inception_score(observed("blur", level)[1])) for level in (0, 3))
    assert sharp > 1.2 * ruined > 1.2


def test_a_judge_by_default_scores_photographs_and_says_by_what(tmp_path: Path) -> None:
    data = kinds.unpaired()
    found = Judge.prepare(ScoresConfig(), data, tmp_path / "evaluators", seed=0)
    assert {"fid", "kid", "precision", "recall", "inception_score"} <= set(found.metrics)
    said = found.provenance(data.test)
    assert said["feature_network"].startswith("EfficientNet-Lite0 trained on ImageNet, 1280 features (the means of the last maps)")
    assert "not comparable with FID over Inception" in said["feature_network"]
    assert said["feature_network_hash"] == judge().weights_hash
    scores = found.score(lambda inputs: -inputs, data.test).scores
    with torch.inference_mode():
        made = judge().features(-data.test.batch().input)
    assert scores["fid"] == pytest.approx(found.real_images(data.test).reference.distance(made), rel=1e-3)  # type: ignore[union-attr]
    # Nothing is trained and no copy is kept: the directory says which network it was, and another process judges the same.
    assert not list((tmp_path / "evaluators").glob("*.safetensors"))
    assert Judge.prepare(ScoresConfig(), data, tmp_path / "evaluators", seed=0).score(lambda inputs: -inputs, data.test).scores == scores


def test_other_weights_are_told_apart(tmp_path: Path) -> None:
    state = published_state()
    torch.save(state | {"_fc.bias": state["_fc.bias"] + 1}, tmp_path / "mine.pth")
    other = build(weights=str(tmp_path / "mine.pth"))
    assert "with the weights of mine.pth, which are not the published ones" in other.label
    assert other.weights_hash != judge().weights_hash
    path = efficientnet_lite.find()
    assert path is not None
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    assert build(weights=str(copy)).label == judge().label
    copy.write_bytes((tmp_path / "mine.pth").read_bytes())
    with pytest.raises(CheckpointError, match="its SHA-256 begins with 57934424, and it begins with"):
        build(weights=str(copy))
    with pytest.raises(ConfigError, match=r"efficientnet_lite0: .*none\.pth does not exist"):
        build(weights=str(tmp_path / "none.pth"))


def test_the_hash_is_the_same_on_every_machine() -> None:
    """Folding rounds once from float64, without sums, so that runs of different machines are comparable."""
    assert judge().weights_hash == hash_tensors(judge().state_dict()) == "4ec7eb39636e492e479ceff3f0b8942ca68f85e1a3492623679074c811fe220e"


def test_a_named_network_is_the_same_as_the_default(tmp_path: Path) -> None:
    data = kinds.unpaired()
    named = ScoresConfig(feature_network=Component(name="efficientnet_lite0"))
    Judge.prepare(ScoresConfig(), data, tmp_path / "evaluators", seed=0)
    assert Judge.prepare(named, data, tmp_path / "evaluators", seed=0).networks.features is not None
