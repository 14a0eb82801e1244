"""The Inception-v3 of FID against an independent forward pass, straight from the tensors of a file that the test makes."""

import numpy as np
import pytest
import torch
from inception_weights import random_state
from PIL import Image
from torch.nn import functional as F

from autogc.data import DATASETS
from autogc.errors import CheckpointError, ConfigError
from autogc.metrics import FEATURE_NETWORKS
from autogc.metrics.judge_networks import download, inception
from autogc.metrics.judge_networks.inception_v3 import STAGES, InceptionV3
from autogc.metrics.registry import hash_tensors

DATA = DATASETS.build("streets", {"height": 48, "width": 64, "train": 2, "validation": 3, "test": 2}, seed=0)


@pytest.fixture(scope="module")
def state():
    return random_state()


@pytest.fixture(scope="module")
def file(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(state, path)
    return path


@pytest.fixture(autouse=True)
def nothing_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(download, "ELSEWHERE", ())
    monkeypatch.setattr(download.urllib.request, "urlopen", None)


def build(weights=None, **args):
    given = {} if weights is None else {"weights": str(weights)}
    return FEATURE_NETWORKS.build("inception_fid", {**given, **args}, data=DATA, seed=0)


# An independent forward pass: convolution, normalisation by its formula, ReLU, and the blocks written out from the paper's figures 5 to 7
# and from what pytorch-fid documents of the TensorFlow graph.


class ByHand:
    def __init__(self, state):
        self.state = {name: value.double() if value.is_floating_point() else value for name, value in state.items()}

    def layer(self, name, x, *, stride=1, padding=0):
        weight, bias, mean, variance = (self.state[f"{name}.bn.{part}"] for part in ("weight", "bias", "running_mean", "running_var"))
        made = F.conv2d(x, self.state[f"{name}.conv.weight"], stride=stride, padding=padding)
        per_channel = [part[None, :, None, None] for part in (mean, variance, weight, bias)]
        return ((made - per_channel[0]) / (per_channel[1] + 0.001).sqrt() * per_channel[2] + per_channel[3]).relu()

    def chain(self, block, x, *steps):
        for name, padding in steps:
            x = self.layer(f"{block}.{name}", x, padding=padding)
        return x

    @staticmethod
    def average(x):
        """The mean of each 3x3 window's pixels that lie within the picture."""
        ones = torch.ones_like(x[:1, :1])
        kernel = torch.ones(1, 1, 3, 3, dtype=x.dtype)
        total = F.conv2d(x.flatten(0, 1)[:, None], kernel, padding=1).view_as(x)
        return total / F.conv2d(ones, kernel, padding=1)

    def a(self, name, x):
        return torch.cat([
            self.chain(name, x, ("branch1x1", 0)),
            self.chain(name, x, ("branch5x5_1", 0), ("branch5x5_2", 2)),
            self.chain(name, x, ("branch3x3dbl_1", 0), ("branch3x3dbl_2", 1), ("branch3x3dbl_3", 1)),
            self.chain(name, self.average(x), ("branch_pool", 0)),
        ], 1)  # fmt: skip

    def b(self, name, x):
        double = self.chain(name, x, ("branch3x3dbl_1", 0), ("branch3x3dbl_2", 1))
        return torch.cat([
            self.layer(f"{name}.branch3x3", x, stride=2),
            self.layer(f"{name}.branch3x3dbl_3", double, stride=2),
            F.max_pool2d(x, 3, 2),
        ], 1)  # fmt: skip

    def c(self, name, x):
        wide, tall = (0, 3), (3, 0)
        return torch.cat([
            self.chain(name, x, ("branch1x1", 0)),
            self.chain(name, x, ("branch7x7_1", 0), ("branch7x7_2", wide), ("branch7x7_3", tall)),
            self.chain(name, x, ("branch7x7dbl_1", 0), ("branch7x7dbl_2", tall), ("branch7x7dbl_3", wide), ("branch7x7dbl_4", tall),
                       ("branch7x7dbl_5", wide)),
            self.chain(name, self.average(x), ("branch_pool", 0)),
        ], 1)  # fmt: skip

    def d(self, name, x):
        seven = self.chain(name, x, ("branch7x7x3_1", 0), ("branch7x7x3_2", (0, 3)), ("branch7x7x3_3", (3, 0)))
        return torch.cat([
            self.layer(f"{name}.branch3x3_2", self.chain(name, x, ("branch3x3_1", 0)), stride=2),
            self.layer(f"{name}.branch7x7x3_4", seven, stride=2),
            F.max_pool2d(x, 3, 2),
        ], 1)  # fmt: skip

    def e(self, name, x, pool):
        three = self.chain(name, x, ("branch3x3_1", 0))
        double = self.chain(name, x, ("branch3x3dbl_1", 0), ("branch3x3dbl_2", 1))
        return torch.cat([
            self.chain(name, x, ("branch1x1", 0)),
            self.chain(name, three, ("branch3x3_2a", (0, 1))), self.chain(name, three, ("branch3x3_2b", (1, 0))),
            self.chain(name, double, ("branch3x3dbl_3a", (0, 1))), self.chain(name, double, ("branch3x3dbl_3b", (1, 0))),
            self.chain(name, pool(x), ("branch_pool", 0)),
        ], 1)  # fmt: skip

    def maps(self, x):
        """Return the maps of every stage of pictures in [-1, 1]."""
        x = F.interpolate((x.double() + 1) / 2, (299, 299), mode="bilinear", align_corners=False) * 2 - 1
        x = self.layer("Conv2d_2a_3x3", self.layer("Conv2d_1a_3x3", x, stride=2))
        found = {64: F.max_pool2d(self.layer("Conv2d_2b_3x3", x, padding=1), 3, 2)}
        found[192] = F.max_pool2d(self.layer("Conv2d_4a_3x3", self.layer("Conv2d_3b_1x1", found[64])), 3, 2)
        x = self.b("Mixed_6a", self.a("Mixed_5d", self.a("Mixed_5c", self.a("Mixed_5b", found[192]))))
        for name in "bcde":
            x = self.c(f"Mixed_6{name}", x)
        found[768] = x
        x = self.e("Mixed_7b", self.d("Mixed_7a", x), self.average)
        found[2048] = self.e("Mixed_7c", x, lambda x: F.max_pool2d(x, 3, 1, 1))
        return found


def distance(found, wanted):
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())


def test_features_and_classes_are_those_of_an_independent_forward_pass(state, file):
    pictures = DATA.validation.batch().target[:2]
    with torch.inference_mode():
        wanted = {channels: maps.mean((2, 3)) for channels, maps in ByHand(state).maps(pictures).items()}
        for channels in STAGES:
            found = build(file, features=channels).features(pictures)
            assert found.shape == (2, channels) and found.dtype == torch.float32
            assert distance(found, wanted[channels]) < 1e-5
        # Blocks tell the two pictures apart: the comparison is of more than a constant.
        assert distance(wanted[2048][0], wanted[2048][1]) > 1e-2
        features, probabilities = build(file, features=192).features_and_probabilities(pictures)
        assert distance(features, wanted[192]) < 1e-5
        logits = wanted[2048] @ state["fc.weight"].double().T
        assert torch.allclose(probabilities.double(), logits.softmax(1), rtol=1e-3, atol=1e-7)


def test_the_size_of_the_network():
    with torch.device("meta"):
        network = InceptionV3()
    # torchvision's Inception3 without its auxiliary head has 23,834,568 parameters for 1000 classes; 8 classes more are 8 x (2048 + 1).
    assert sum(parameter.numel() for parameter in network.parameters()) == 23_834_568 + 8 * 2049
    names = network.state_dict()
    # 94 convolutions with five tensors of normalisation each, and the classifier's two.
    assert len(names) == 94 * 6 + 2
    assert names["Conv2d_1a_3x3.conv.weight"].shape == (32, 3, 3, 3) and names["fc.weight"].shape == (1008, 2048)
    outputs = {"Mixed_5b": 256, "Mixed_5c": 288, "Mixed_5d": 288, "Mixed_6a": 768, "Mixed_6e": 768, "Mixed_7a": 1280, "Mixed_7c": 2048}
    assert {name: getattr(network, name).outputs for name in outputs} == outputs
    # Four bytes a parameter and a running statistic are nearly all of the published file.
    tensors = sum(value.numel() * 4 for value in names.values() if value.is_floating_point())
    assert tensors < inception.PUBLISHED.size < tensors + 200_000


def test_folding_changes_next_to_nothing_and_not_the_hash(state, file):
    network = build(file)
    plain = InceptionV3()
    plain.load_state_dict(state)
    plain.eval()
    pictures = DATA.validation.batch().target[:1]
    with torch.inference_mode():
        *_, (_, maps) = plain.maps(network.preprocess(pictures))
        assert distance(network.features(pictures), maps.mean((2, 3))) < 1e-4
    kept = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    assert network.weights_hash == hash_tensors(kept)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())


def test_no_block_behind_the_features_is_run(file, monkeypatch):
    network = build(file, features=192)
    monkeypatch.setattr(network.net, "Mixed_5b", None)
    with torch.inference_mode():
        assert network.features(torch.zeros(1, 3, 32, 32)).shape == (1, 192)


@pytest.mark.parametrize("size", [(48, 64), (256, 256), (299, 299), (640, 400)])
def test_clean_fid_resizes_as_pillow_does(size):
    network = inception.FidInception(resizing="clean_fid")
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    pixels[: size[0] // 2] = pixels[0, 0]  # an edge, at which bicubic weights overshoot
    channels = [Image.fromarray(pixels[..., index].astype(np.float32)).resize((299, 299), Image.Resampling.BICUBIC) for index in range(3)]
    wanted = torch.from_numpy(np.stack(channels))
    pictures = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    found = network.preprocess(pictures)[0] * 128 + 128
    # Of 255 levels, where pixels are noise: Pillow computes in float64, this in float32.
    assert float((found - wanted).abs().max()) < 1e-2 and float((found - wanted).abs().mean()) < 1e-3
    assert size[0] >= 299 or float(wanted.max()) > 255  # it is not clipped


def test_pytorch_fid_resizes_without_antialiasing():
    network = inception.FidInception()
    pixels = torch.randint(0, 256, (1, 3, 400, 640), generator=torch.Generator().manual_seed(0))
    wanted = 2 * F.interpolate(pixels.float() / 255, (299, 299), mode="bilinear", align_corners=False) - 1
    assert float((network.preprocess(pixels.float() / 127.5 - 1) - wanted).abs().max()) < 2e-6


def test_the_label_says_whose_weights_and_which_resizing(file):
    label = build(file, resizing="clean_fid").label
    assert "random.pth, which are not the published FID weights" in label
    assert "2048 features (pool3)" in label and "clean-fid" in label and "1008 logits without bias" in label


def test_arguments_that_cannot_be_are_told_together():
    with pytest.raises(
        ConfigError, match=r"(?s)features must be one of 64, 192, 768, 2048, got 512.*resizing must be one of pytorch_fid, cl"
    ):
        build(features=512, resizing="bilinear")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.pth does not exist; give pt_inception-2015-12-05-6726825d\.pth, or leave weights out"):
        build(tmp_path / "none.pth")


def test_a_file_whose_name_promises_another_hash(file, tmp_path):
    path = tmp_path / inception.PUBLISHED.name
    path.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"its SHA-256 begins with 6726825d, and it begins with"):
        build(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fc.weight": torch.zeros(1000, 2048)}, "of another shape: fc.weight"),
        ({"Mixed_7c.branch_pool.bn.bias": None}, "missing: Mixed_7c.branch_pool.bn.bias"),
        ({"AuxLogits.fc.bias": torch.zeros(2)}, "unexpected: AuxLogits.fc.bias"),
    ],
)
def test_a_file_of_other_shapes_names_the_tensors(state, tmp_path, change, said):
    changed = {name: value for name, value in (state | change).items() if value is not None}
    torch.save(changed, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=rf"does not fit the Inception-v3 of FID .*{said}"):
        build(tmp_path / "other.pth")


def test_counters_that_old_files_do_not_have_do_not_matter(state, file, tmp_path):
    torch.save({name: value for name, value in state.items() if not name.endswith("tracked")}, tmp_path / "old.pth")
    assert build(tmp_path / "old.pth").weights_hash == build(file).weights_hash
