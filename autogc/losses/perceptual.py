"""How different two images look to a network that was trained to recognise things."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autogc.errors import ConfigError, nearest
from autogc.files import sha256_file
from autogc.losses.backbones import VGG19_BLOCKS, fill_features, vgg, vgg_layers
from autogc.registry import Registry

# A perceptual loss maps an image and its target, (N, 3 or 1, H, W) in [-1, 1], to a scalar; lower is better. It is a fixed module.
PERCEPTUAL: Registry[nn.Module] = Registry("perceptual loss")

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
# Those of pix2pixHD and SPADE: deeper layers weigh more.
SPADE_LAYERS: dict[str, float] = {"relu1_1": 1 / 32, "relu2_1": 1 / 16, "relu3_1": 1 / 8, "relu4_1": 1 / 4, "relu5_1": 1.0}
DISTANCES = {"l1": F.l1_loss, "mse": F.mse_loss}


class Vgg19Distance(nn.Module):
    """The weighted sum of the distances between two images' features in VGG19, of which only the layers needed are kept.

    ``layers`` maps names such as ``relu5_4`` to weights.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: Mapping[str, float], *, distance: str = "l1", weights_hash: str = "") -> None:
        super().__init__()
        names = vgg_layers(VGG19_BLOCKS)
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
        self.features = vgg(VGG19_BLOCKS, deepest=max(layers, key=names.index))
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
    fill_features(network.features, path, what="VGG19")
    return network.eval()
