"""Feature networks from files: the module that was saved, how pictures are shown to it, and what is refused of a file."""

import io
import json
import os
import pickle
import warnings
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from autogc.config.experiment import Component, ScoresConfig
from autogc.data import DATASETS
from autogc.errors import CheckpointError, ConfigError
from autogc.files import sha256_file
from autogc.metrics import FEATURE_NETWORKS, Judge
from autogc.metrics.judge_networks.presentation import Presentation

DATA = DATASETS.build("streets", {"height": 32, "width": 32, "train": 4, "validation": 6, "test": 3}, seed=0)
PICTURES = DATA.validation.batch().target


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x):
        return self.norm(self.conv(x)).relu()


def small():
    torch.manual_seed(0)
    return Small().eval()


def scripted(path, module=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module or small()), path)
    return path


def exported(path, module=None, *, example=(2, 3, 32, 32), dynamic=True):
    shapes = ({0: torch.export.Dim.DYNAMIC},) if dynamic else None
    torch.export.save(torch.export.export(module or small(), (torch.rand(*example),), dynamic_shapes=shapes), path)
    return path


def build(path, **args):
    return FEATURE_NETWORKS.build("network_file", {"file": str(path), **args}, data=DATA, seed=0)


@pytest.mark.parametrize(("save", "name"), [(scripted, "net.pt"), (exported, "net.pt2")])
def test_features_are_those_of_the_module_that_was_saved(save, name, tmp_path):
    path = save(tmp_path / name)
    network = build(path, range="bytes", mean=[10, 20, 30], deviation=[50, 60, 70], label="a small one")
    shown = ((PICTURES + 1) * 127.5 - torch.tensor([10.0, 20, 30]).view(1, 3, 1, 1)) / torch.tensor([50.0, 60, 70]).view(1, 3, 1, 1)
    with torch.inference_mode():
        assert torch.allclose(network.features(PICTURES), small()(shown).mean((2, 3)), atol=1e-5)
    assert network.weights_hash == sha256_file(path)
    assert network.label.startswith("a small one, pictures at their own size, in 0..255, mean (10, 20, 30)")


@pytest.mark.parametrize(("save", "name"), [(scripted, "net.pt"), (exported, "net.pt2")])
def test_a_worker_gets_it_with_the_judge(save, name, tmp_path):
    path = save(tmp_path / name)
    scores = ScoresConfig(feature_network=Component(name="network_file", args={"file": str(path)}), segmenter=None)
    judge = Judge.prepare(scores, DATA, tmp_path / "judge", seed=0)
    expected = judge.score(lambda inputs: torch.zeros(len(inputs), 3, 32, 32), DATA.validation)
    packed = pickle.dumps(judge)
    path.unlink()
    assert pickle.loads(packed).score(lambda inputs: torch.zeros(len(inputs), 3, 32, 32), DATA.validation) == expected


class Constants(nn.Module):
    def forward(self, x):
        return (x * torch.tensor([0.5, 1.0, 2.0]).view(3, 1, 1) + torch.arange(3).view(3, 1, 1)).relu()


def test_all_of_an_exported_program_moves_to_another_device(tmp_path):
    network = build(exported(tmp_path / "net.pt2", Constants()))
    with torch.inference_mode():
        assert torch.allclose(network.features(PICTURES), Constants()((PICTURES + 1) / 2).mean((2, 3)), atol=1e-6)
        # The device that every machine has: what stayed behind would not go together with it.
        assert network.to("meta").program(PICTURES.to("meta")).device.type == "meta"


@pytest.mark.parametrize("resizing", ["bilinear_antialiased", "bicubic_antialiased"])
def test_antialiased_resizing_is_pillows(resizing):
    pixels = np.random.default_rng(0).uniform(80, 170, (40, 50)).astype(np.float32)
    how = Image.Resampling.BILINEAR if resizing.startswith("bilinear") else Image.Resampling.BICUBIC
    wanted = torch.from_numpy(np.array(Image.fromarray(pixels).resize((17, 13), how)))
    found = Presentation(size=(13, 17), range="bytes", resizing=resizing)(torch.from_numpy(pixels).expand(1, 3, -1, -1) / 127.5 - 1)
    assert float((found - wanted).abs().max()) < 1e-2


def test_a_file_that_is_another_one(tmp_path):
    path = scripted(tmp_path / "net.pt")
    assert build(path, sha256=sha256_file(path)).program.kind == "TorchScript"
    with pytest.raises(CheckpointError, match=r"is another file than the experiment means: its SHA-256 is .*args\.sha256 is 00"):
        build(path, sha256="00")
    with pytest.raises(ConfigError, match=r"none\.pt does not exist; give a TorchScript file"):
        build(tmp_path / "none.pt")


def test_a_state_dict_is_no_program(tmp_path):
    torch.save(small().state_dict(), tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match="neither TorchScript nor an exported program; a state dict alone does not say how"):
        build(tmp_path / "net.pt")
    (tmp_path / "net.pt").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="neither TorchScript nor an exported program"):
        build(tmp_path / "net.pt")


def test_a_whole_pickled_module_is_not_unpickled(tmp_path):
    torch.save(small(), tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match="neither TorchScript nor an exported program"):
        build(tmp_path / "net.pt")


def test_a_program_for_one_count_of_pictures_alone(tmp_path):
    path = exported(tmp_path / "net.pt2", nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)), dynamic=False)
    with pytest.raises(ConfigError, match=r"net\.pt2 (does not take pictures of 1x3x32x32|makes \(2, 4\)).*"):
        build(path)


def test_pictures_that_it_does_not_take(tmp_path):
    path = scripted(tmp_path / "net.pt", nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4)))
    with pytest.raises(ConfigError, match=r"does not take pictures of 2x3x32x32: .*; say its size"):
        build(path)
    assert build(path, size=8).features(PICTURES).shape == (6, 4)


def test_answers_that_are_no_features(tmp_path):
    with pytest.raises(ConfigError, match=r"makes \(2, 3072\) torch\.int64 of 2 pictures|makes \(6144,\)"):
        build(scripted(tmp_path / "net.pt", nn.Flatten(0)))


def test_arguments_are_told_together(tmp_path):
    path = scripted(tmp_path / "net.pt")
    with pytest.raises(ConfigError) as found:
        build(path, size=[3], range="0-1", mean=[0.5], deviation=[1, 0, 1], resizing="cubic")
    said = "\n".join(found.value.problems)
    for key in (
        "size is a number of pixels",
        "range cannot be '0-1'",
        "mean is three numbers",
        "deviation is three numbers above 0",
        "'bicubic'",
    ):
        assert key in said


# What loading an exported program would unpickle or run by name is refused before it is loaded.


def rewritten(path, change):
    """Return the archive with ``change(entry, content) -> content`` made to each of its entries."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(name, change(name, content))
    return path


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_pickles_inside_are_not_touched(tmp_path):
    path, trap = exported(tmp_path / "net.pt2"), tmp_path / "trap"
    buffer = io.BytesIO()
    torch.save(Touch(trap), buffer)
    rewritten(path, lambda name, content: buffer.getvalue() if name.endswith("sample_inputs/model.pt") else content)
    with pytest.raises(CheckpointError, match="its example inputs are more than tensors"):
        build(path)

    path = exported(tmp_path / "weight.pt2")

    def pickled(name, content):
        if name.endswith("weight_0"):
            return buffer.getvalue()
        return content.replace(b'"use_pickle": false', b'"use_pickle": true') if name.endswith("weights_config.json") else content

    with pytest.raises(CheckpointError, match=r"'conv\.weight' in it is pickled"):
        build(rewritten(path, pickled))
    assert not trap.exists()


class Writes(nn.Module):
    def forward(self, x):
        torch.save(x, "somewhere")
        return x.mean((2, 3))


class Reads(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)) + torch.from_file("/etc/hostname", False, 1)


@pytest.mark.parametrize(("module", "said"), [(Writes(), "names save"), (Reads(), "names from_file")])
def test_torchscript_that_reaches_files_is_not_loaded(module, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=said):
        build(scripted(tmp_path / "net.pt", module))
    assert not (tmp_path / "somewhere").exists()


@pytest.mark.parametrize("call", ["torch.os.mkdir", "torch.load", "torch.ops.aten.from_file.default", "_operator.methodcaller", "#custom"])
def test_functions_by_name_are_not_called(tmp_path, call):
    path = exported(tmp_path / "net.pt2")
    rewritten(path, lambda name, content: content.replace(b"torch.ops.aten.relu.default", call.encode()))
    with pytest.raises(CheckpointError, match=rf"it calls {call}"):
        build(path)


@pytest.mark.parametrize("size", ["__import__('os').system('true')", "exec('1')", "Symbol('a b')", "().__class__", "[1 for _ in s0]"])
def test_sizes_are_not_run_as_python(tmp_path, size):
    path = exported(tmp_path / "net.pt2")

    def change(name, content):
        if not name.endswith("models/model.json"):
            return content
        model = json.loads(content)
        values = model["graph_module"]["graph"]["tensor_values"]
        values["x"]["sizes"][0] = {"as_expr": {"expr_str": size, "hint": {"as_int": 2}}}
        return json.dumps(model).encode()

    with pytest.raises(CheckpointError, match="it computes a size by"):
        build(rewritten(path, change))


def test_compiled_code_is_not_loaded(tmp_path):
    path = exported(tmp_path / "net.pt2")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/data/aotinductor/model/wrapper.so", b"code")
    with pytest.raises(CheckpointError, match=r"it holds data/aotinductor/model/wrapper\.so"):
        build(path)
