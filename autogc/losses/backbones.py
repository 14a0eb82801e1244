"""ImageNet's classifiers as far as their features go, layer by layer and by name, with torchvision's weights from a file."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils import skip_init

from autogc.errors import CheckpointError

# Simonyan and Zisserman (ICLR 2015), configurations D and E: the widths of each block's convolutions; blocks are pooled apart.
VGG16_BLOCKS = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
VGG19_BLOCKS = ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)


def vgg_layers(blocks: Sequence[Sequence[int]]) -> list[str]:
    """Return the names of a VGG's layers in order, ``pool`` between blocks: conv1_1, relu1_1, conv1_2, ..."""
    names: list[str] = []
    for block, widths in enumerate(blocks, start=1):
        for index, _ in enumerate(widths, start=1):
            names += [f"conv{block}_{index}", f"relu{block}_{index}"]
        names.append(f"pool{block}")
    return names


def vgg(blocks: Sequence[Sequence[int]], *, deepest: str) -> nn.ModuleDict:
    """Return a VGG's layers as far as ``deepest``, without weights."""
    names = vgg_layers(blocks)
    layers, channels = nn.ModuleDict(), 3
    widths = iter([width for block in blocks for width in block])
    for name in names[: 1 + names.index(deepest)]:
        if name.startswith("conv"):
            width = next(widths)
            layers[name] = _convolution(channels, width, 3, padding=1)
            channels = width
        else:
            layers[name] = nn.ReLU() if name.startswith("relu") else nn.MaxPool2d(2)
    return layers


def alexnet() -> nn.ModuleDict:
    """Return AlexNet's layers as far as relu5, without weights (Krizhevsky, "One weird trick", 2014: the one that torchvision has)."""
    return nn.ModuleDict(
        {
            "conv1": _convolution(3, 64, 11, stride=4, padding=2), "relu1": nn.ReLU(), "pool1": nn.MaxPool2d(3, 2),
            "conv2": _convolution(64, 192, 5, padding=2), "relu2": nn.ReLU(), "pool2": nn.MaxPool2d(3, 2),
            "conv3": _convolution(192, 384, 3, padding=1), "relu3": nn.ReLU(),
            "conv4": _convolution(384, 256, 3, padding=1), "relu4": nn.ReLU(),
            "conv5": _convolution(256, 256, 3, padding=1), "relu5": nn.ReLU(),
        }
    )  # fmt: skip


def squeezenet() -> nn.ModuleDict:
    """Return the layers of SqueezeNet 1.1 as far as fire9, without weights (Iandola et al., 2016)."""
    return nn.ModuleDict(
        {
            "conv1": _convolution(3, 64, 3, stride=2), "relu1": nn.ReLU(), "pool1": nn.MaxPool2d(3, 2, ceil_mode=True),
            "fire2": _Fire(64, 16, 64), "fire3": _Fire(128, 16, 64), "pool3": nn.MaxPool2d(3, 2, ceil_mode=True),
            "fire4": _Fire(128, 32, 128), "fire5": _Fire(256, 32, 128), "pool5": nn.MaxPool2d(3, 2, ceil_mode=True),
            "fire6": _Fire(256, 48, 192), "fire7": _Fire(384, 48, 192), "fire8": _Fire(384, 64, 256), "fire9": _Fire(512, 64, 256),
        }
    )  # fmt: skip


class _Fire(nn.Module):
    """A convolution of 1 x 1 that squeezes, then ones of 1 x 1 and of 3 x 3 side by side: (N, inputs, H, W) to (N, 2 each, H, W)."""

    def __init__(self, inputs: int, squeezed: int, each: int) -> None:
        super().__init__()
        self.squeeze = _convolution(inputs, squeezed, 1)
        self.expand1x1 = _convolution(squeezed, each, 1)
        self.expand3x3 = _convolution(squeezed, each, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        squeezed = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], 1).relu()


def _convolution(inputs: int, outputs: int, size: int, *, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    # Weights come from a file: drawing some first would only move PyTorch's random numbers on.
    return skip_init(nn.Conv2d, inputs, outputs, size, stride=stride, padding=padding)


def fill_features(layers: nn.ModuleDict, path: Path, *, what: str) -> None:
    """Load torchvision's weights of the network ``what`` from a file (.pth or .safetensors) into its first layers.

    Raises ``CheckpointError`` for a file that has none, or others.
    """
    state = read_state_dict(path)
    # torchvision numbers all layers together; what is behind the deepest one, and the classifier, is left out.
    for number, layer in enumerate(layers.values()):
        for part, parameter in layer.named_parameters():
            key = f"features.{number}.{part}"
            found = state.get(key)
            if not isinstance(found, Tensor) or found.shape != parameter.shape:
                there = "nothing" if found is None else f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
                raise CheckpointError(
                    f"{path} is no {what} of torchvision: {key} should have shape {tuple(parameter.shape)}, it has {there}"
                )
            parameter.data.copy_(found)


def read_state_dict(path: Path) -> dict[str, object]:
    """Return what a file holds by name (.safetensors, or PyTorch's own format), unpickling nothing but tensors and plain values.

    Raises ``CheckpointError`` for a file that holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is not a weights file ({error})") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds a {type(state).__name__}, not a state dict")
    return state
