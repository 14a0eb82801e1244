"""A segmenter from a file: which of its outputs is which class, at the labels' size, and what is refused."""

import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from autogc.config.experiment import Component, ScoresConfig
from autogc.data import DATASETS
from autogc.errors import ConfigError
from autogc.files import sha256_file
from autogc.metrics import SEGMENTERS, Judge

DATA = DATASETS.build("streets", {"height": 32, "width": 48, "train": 4, "validation": 6, "test": 3}, seed=0)
DATA.class_names = ("road", "plant", "sky")
# Of a network with six outputs.
TABLE = {"sky": 2, "road": [0, 4], "plant": 1}
PICTURES = torch.rand(5, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Six(nn.Module):
    """Logits of six classes at half the size, as torchvision's segmenters give them where ``named``."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 6, 3, stride=2, padding=1)

    def forward(self, x):
        return self.conv(x)


class Named(Six):
    def forward(self, x):
        return {"out": self.conv(x)}


def scripted(path, module):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module.eval()), path)
    return path


def exported(path, module):
    torch.export.save(
        torch.export.export(module.eval(), (torch.rand(2, 3, 32, 48),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)), path
    )
    return path


def build(path, **args):
    return SEGMENTERS.build("segmenter_file", {"file": str(path), "classes": TABLE, "others": "excluded", **args}, data=DATA, seed=0)


def by_hand(others, size):
    """Which class the largest logit stands for, a pixel at a time by the table."""
    with torch.inference_mode():
        logits = functional.interpolate(Six()((PICTURES + 1) / 2), size, mode="bilinear", align_corners=False)
    class_of = {0: 0, 4: 0, 1: 1, 2: 2}
    if others == "excluded":
        logits[:, [3, 5]] = -torch.inf
    return logits.argmax(1).apply_(lambda output: class_of.get(output, 255))


@pytest.mark.parametrize("others", ["excluded", "unlabelled"])
@pytest.mark.parametrize(("save", "module"), [(scripted, Six), (scripted, Named), (exported, Six)])
def test_several_outputs_are_one_class_and_others_are_what_the_file_says(save, module, others, tmp_path):
    path = save(tmp_path / "net.pt", module())
    network = build(path, others=others, label="a segmenter of six classes")
    with torch.inference_mode():
        for size in ((16, 24), (64, 96)):
            found = network.segment(PICTURES, size)
            assert (found == by_hand(others, size)).float().mean() > 0.999
            assert ((found == 255).any()) == (others == "unlabelled")
    assert network.weights_hash == sha256_file(path)
    shown = "pictures at their own size, in 0..1, logits resized to the labels' size"
    assert network.label == f"a segmenter of six classes, {shown}, outputs of no class {others}"


def test_it_judges_and_travels(tmp_path):
    path = scripted(tmp_path / "net.pt", nn.Conv2d(3, 12, 3, padding=1))
    data = DATASETS.build("streets", {"height": 32, "width": 48, "train": 4, "validation": 6, "test": 3}, seed=0)
    args = {"file": str(path), "classes": {name: place for place, name in enumerate(data.class_names)}, "others": "unlabelled"}
    scores = ScoresConfig(feature_network=None, segmenter=Component(name="segmenter_file", args=args))
    judge = Judge.prepare(scores, data, tmp_path / "judge", seed=0)
    packed = pickle.dumps(judge)
    path.unlink()

    def white(inputs):
        return torch.ones(len(inputs), 3, 32, 48)

    found = pickle.loads(packed).score(white, data.test)
    assert found == judge.score(white, data.test) and {"miou", "pixel_accuracy"} <= set(found.details)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"classes": {"road": 0, "plants": 1, "sky": 2}}, r"no class 'plants': .*plant(?s:.*)classes say no output for plant"),
        ({"classes": {"road": [0, 1], "plant": 1, "sky": 2}}, "the outputs 1 are there more than once"),
        ({"classes": {"road": -1, "plant": "1", "sky": True}}, r"road is an output's number(?s:.*)plant is an(?s:.*)sky is an"),
        ({"classes": ["road", "plant", "sky"]}, r"classes are \{NAME: OUTPUT or \[OUTPUT, ...\]\}"),
        ({"classes": {"road": 0, "plant": 1, "sky": 6}}, "classes name the output 6, and the network has 6, counted from 0"),
        ({"others": "error"}, r"2 of 6 outputs have no class \(3, 5\): name them in classes, or set others to excluded"),
        ({"others": "ignored"}, "others cannot be 'ignored'"),
        ({"size": 0}, "size is a number of pixels"),
    ],
)
def test_tables_that_cannot_be(args, said, tmp_path):
    path = scripted(tmp_path / "net.pt", Six())
    with pytest.raises(ConfigError, match=said):
        build(path, **args)


def test_a_network_of_vectors_is_no_segmenter(tmp_path):
    path = scripted(tmp_path / "net.pt", nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 48, 6)))
    with pytest.raises(ConfigError, match=r"segmenter_file: net.pt makes \(2, 6\) torch.float32 of 2 pictures, not logits"):
        build(path)
    with pytest.raises(ConfigError, match=r"segmenter_file: net.pt does not take pictures of 2x3x10x10"):
        build(path, size=10)
