"""How different two images look to a network that was trained to recognise things."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from autogc.errors import CheckpointError, ConfigError, nearest
from autogc.files import sha256_file
from autogc.registry import Registry

# A perceptual loss maps an image and its target, (N, 3 or 1, H, W) in [-1, 1], to a scalar; lower is better. It is a fixed module.
PERCEPTUAL: Registry[nn.Module] = Registry("perceptual loss")

# Simonyan and Zisserman (ICLR 2015), configuration E: the widths of each block's convolutions; blocks are pooled apart.
VGG19_BLOCKS = ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
# Those of pix2pixHD and SPADE: deeper layers weigh more.
SPADE_LAYERS: dict[str, float] = {"relu1_1": 1 / 32, "relu2_1": 1 / 16, "relu3_1": 1 / 8, "relu4_1": 1 / 4, "relu5_1": 1.0}
DISTANCES = {"l1": F.l1_loss, "mse": F.mse_loss}


def _layers() -> list[str]:
    """The names of VGG19's layers in order, ``pool`` between blocks: conv1_1, relu1_1, conv1_2, ..., relu5_4."""
    names: list[str] = []
    for block, widths in enumerate(VGG19_BLOCKS, start=1):
        for index, _ in enumerate(widths, start=1):
            names += [f"conv{block}_{index}", f"relu{block}_{index}"]
        names.append(f"pool{block}")
    return names


class Vgg19Distance(nn.Module):
    """The weighted sum of the distances between two images' features in VGG19, of which only the layers needed are kept.

    ``layers`` maps names such as ``relu5_4`` to weights.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: Mapping[str, float], *, distance: str = "l1", weights_hash: str = "") -> None:
        super().__init__()
        names = _layers()
        unknown = [name for name in layers if name not in names or name.startswith("pool")]
        problems = [f"vgg19 has no layer {name!r}: {nearest(name, names)}" for name in unknown]
        if not layers:
            problems.append("vgg19 compares images at one layer at least, such as relu5_4")
        if distance not in DISTANCES:
            problems.append(f"vgg19's distance must be one of {', '.join(DISTANCES)}, got {distance!r}")
        if problems:
            raise ConfigError(problems)
        self.layers = dict(layers)
        self.distance = DISTANCES[distance]
        self.weights_hash = weights_hash
        depth = 1 + max(names.index(name) for name in layers)
        self.features = nn.ModuleDict()
        channels = 3
        widths = iter([width for block in VGG19_BLOCKS for width in block])
        for name in names[:depth]:
            if name.startswith("conv"):
                width = next(widths)
                # Weights come from a file: drawing some first would only move PyTorch's random numbers on.
                self.features[name] = skip_init(nn.Conv2d, channels, width, 3, padding=1)
                channels = width
            else:
                self.features[name] = nn.ReLU() if name.startswith("relu") else nn.MaxPool2d(2)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the features of images (N, 3 or 1, H, W) in [-1, 1] at each of ``layers``, in the network's order."""
        if images.shape[1] not in (1, 3):
            raise ConfigError(f"vgg19 sees colour or grey pictures, not {images.shape[1]} channels")
        x = ((images.float() + 1) / 2 - self.mean) / self.deviation  # A grey channel becomes three by broadcasting.
        found = []
        for name, layer in self.features.items():
            x = layer(x)
            if name in self.layers:
                found.append(x)
        return found

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.maps(target)
        weights = [self.layers[name] for name in self.features if name in self.layers]
        parts = [weight * self.distance(mine, other) for weight, mine, other in zip(weights, self.maps(image), wanted, strict=True)]
        return torch.stack(parts).sum()


@PERCEPTUAL.register("vgg19")
def vgg19(*, weights: str, layers: Mapping[str, float] | None = None, distance: str = "l1") -> Vgg19Distance:
    """Return the distance in VGG19's features, with torchvision's ImageNet weights from the file ``weights`` (.pth or .safetensors).

    ``layers`` maps layers to weights, and by default is pix2pixHD's and SPADE's five with L1 distances (Johnson et al., ECCV 2016;
    Wang et al., CVPR 2018, section 3.3). SRGAN's content loss VGG5,4 (Ledig et al., CVPR 2017, equation 5) is ``layers: {relu5_4:
    0.006}``, ``distance: mse``. Pictures are normalised with ImageNet's statistics, as the weights were trained.

    Raises ConfigError for a missing file or unknown layer, CheckpointError for a file that holds no VGG19.
    """
    path = Path(weights).expanduser()
    if not path.is_file():
        raise ConfigError(f"vgg19: {path} does not exist; give torchvision's ImageNet weights of VGG19 (vgg19-dcbb9e9d.pth) as weights")
    network = Vgg19Distance(SPADE_LAYERS if layers is None else layers, distance=distance, weights_hash=sha256_file(path))
    _fill(network, path)
    return network.eval()


def _fill(network: Vgg19Distance, path: Path) -> None:
    state = _read(path)
    # torchvision numbers convolutions, activations and poolings together; what is behind the deepest layer wanted is left out.
    numbers = {name: index for index, name in enumerate(_layers())}
    for name, layer in network.features.items():
        if not isinstance(layer, nn.Conv2d):
            continue
        for part, parameter in layer.named_parameters():
            key = f"features.{numbers[name]}.{part}"
            found = state.get(key)
            if not isinstance(found, Tensor) or found.shape != parameter.shape:
                there = "nothing" if found is None else f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
                raise CheckpointError(
                    f"{path} is no VGG19 of torchvision: {key} should have shape {tuple(parameter.shape)}, it has {there}"
                )
            parameter.data.copy_(found)


def _read(path: Path) -> dict[str, object]:
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is not a weights file ({error})") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds a {type(state).__name__}, not a state dict")
    return state
