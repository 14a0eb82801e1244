"""DRN-D-105 against a plain function of its state dict, its published facts, and GAN Compression's protocol step by step."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from autogc.data import DATASETS
from autogc.errors import CheckpointError, ConfigError
from autogc.metrics import SEGMENTERS
from autogc.metrics.judge_networks.drn import CITYSCAPES_CLASSES, DRN

STREETS = DATASETS.build("streets", {}, seed=0)
CITIES = DATASETS.build("streets", {}, seed=0)
CITIES.class_names = CITYSCAPES_CLASSES


@pytest.fixture(scope="module")
def network():
    """With statistics and scales that make every layer matter."""
    draws = torch.Generator().manual_seed(0)
    made = DRN()
    for name, value in made.state_dict().items():
        if name.endswith("running_var") or (".bn" in name and name.endswith("weight")):
            value.uniform_(0.8, 1.2, generator=draws)
        elif value.ndim == 4:
            value.normal_(0, (1.6 / value[0].numel()) ** 0.5, generator=draws)
        elif value.dtype == torch.float32:
            value.normal_(0, 0.05, generator=draws)
    return made


def functional_drn(state, x):
    """Return the logits by the names in the published file: layers of the paper's table, and nothing of the module."""

    def normal(x, name):
        mean, var, weight, bias = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        shape = (1, -1, 1, 1)
        return (x - mean.view(shape)) / (var.view(shape) + 1e-5).sqrt() * weight.view(shape) + bias.view(shape)

    def convolve(x, name, *, padding=0, stride=1, dilation=1):
        return functional.conv2d(x, state[f"{name}.weight"], None, stride, padding, dilation)

    for level, padding, stride in ((0, 3, 1), (1, 1, 1), (2, 1, 2)):
        x = normal(convolve(x, f"base.{level}.0", padding=padding, stride=stride), f"base.{level}.1").relu()
    for level, blocks, stride, dilation in ((3, 3, 2, 1), (4, 4, 2, 1), (5, 23, 1, 2), (6, 3, 1, 4)):
        for block in range(blocks):
            name, step = f"base.{level}.{block}", stride if block == 0 else 1
            y = normal(convolve(x, f"{name}.conv1"), f"{name}.bn1").relu()
            y = normal(convolve(y, f"{name}.conv2", padding=dilation, stride=step, dilation=dilation), f"{name}.bn2").relu()
            y = normal(convolve(y, f"{name}.conv3"), f"{name}.bn3")
            if block == 0:
                x = normal(convolve(x, f"{name}.downsample.0", stride=step), f"{name}.downsample.1")
            x = (x + y).relu()
    for level, dilation in ((7, 2), (8, 1)):
        x = normal(convolve(x, f"base.{level}.0", padding=dilation, dilation=dilation), f"base.{level}.1").relu()
    x = functional.conv2d(x, state["seg.weight"], state["seg.bias"])
    return x, functional.conv_transpose2d(x, state["up.weight"], None, 8, 4, groups=19)


def test_it_is_the_function_that_its_weights_say(network):
    photos = torch.randn(1, 3, 72, 40, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        eighth, expected = functional_drn(network.state_dict(), photos)
        found = network(photos)
    assert eighth.shape == (1, 19, 9, 5) and expected.std() > 1e-3
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * float(expected.std()))


def test_the_published_facts(network):
    # 54.8 M parameters with ImageNet's classifier of 1000 classes; the names and shapes of the file for Cityscapes.
    base = sum(value.numel() for value in network.base.parameters())
    assert base + 512 * 1000 + 1000 == 54_801_304
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes["base.0.0.weight"] == (16, 3, 7, 7) and shapes["base.5.22.conv2.weight"] == (256, 256, 3, 3)
    assert shapes["base.7.0.weight"] == (512, 2048, 3, 3) and shapes["base.6.0.downsample.0.weight"] == (2048, 1024, 1, 1)
    assert shapes["seg.weight"] == (19, 512, 1, 1) and shapes["seg.bias"] == (19,) and shapes["up.weight"] == (19, 1, 16, 16)
    assert sum(name.endswith("conv2.weight") for name in shapes) == 3 + 4 + 23 + 3
    assert {"mean", "deviation"}.isdisjoint(shapes)


def test_the_protocol_step_by_step(network):
    """Pictures of their own size in 0..1, normalised; log-probabilities resized by Pillow, then the largest (Li et al., CVPR 2020)."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    photo = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
    mean, deviation = [0.290101, 0.328081, 0.286964], [0.182954, 0.186566, 0.184475]
    photo = (photo - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(deviation).view(1, 3, 1, 1)
    with torch.inference_mode():
        said = functional_drn(network.state_dict(), photo)[1].log_softmax(1)[0].numpy()
        large = np.stack([np.asarray(Image.fromarray(one).resize((192, 128), Image.Resampling.BILINEAR)) for one in said])
        found = network.segment(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1, (128, 192))
    assert found.shape == (1, 128, 192) and len(found.unique()) > 3
    assert (found[0].numpy() == large.argmax(0)).mean() > 0.995


def test_pictures_of_sides_that_8_does_not_divide(network):
    with torch.inference_mode():
        assert network.segment(torch.zeros(2, 3, 30, 45), (60, 90)).shape == (2, 60, 90)


def test_a_checkpoint_that_does_not_fit_names_what_differs(network, tmp_path):
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("base")}
    torch.save({**state, "seg.bias": torch.zeros(21)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"does not fit DRN-D-105 .*missing: base\.0\.0\.weight, .*of another shape: seg\.bias"):
        SEGMENTERS.build("drn_cityscapes", {"weights": str(tmp_path / "other.pth")}, data=CITIES, seed=0)


def test_other_classes_and_missing_files_are_told(tmp_path):
    with pytest.raises(ConfigError, match=r"drn_cityscapes knows the classes road, sidewalk, .*, and the dataset has sky, sun"):
        SEGMENTERS.build("drn_cityscapes", {"weights": str(tmp_path / "none.pth")}, data=STREETS, seed=0)
    with pytest.raises(ConfigError, match=r"none\.pth does not exist; give the published drn-d-105_ms_cityscapes\.pth"):
        SEGMENTERS.build("drn_cityscapes", {"weights": str(tmp_path / "none.pth")}, data=CITIES, seed=0)
