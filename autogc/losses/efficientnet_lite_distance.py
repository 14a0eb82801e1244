"""How different two images look to EfficientNet-Lite0: a perceptual loss whose weights come as a package."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from autogc.errors import ConfigError, nearest
from autogc.files import sha256_file
from autogc.losses.efficientnet_lite import STAGES, EfficientNetLite0, load, normalised, weights_file
from autogc.losses.perceptual import PERCEPTUAL

# The last stage of each resolution, 1/2 to 1/32, but for the second at 1/2: all weigh the same.
DEFAULT_STAGES: dict[str, float] = {"stage1": 1.0, "stage3": 1.0, "stage4": 1.0, "stage6": 1.0, "stage8": 1.0}
EPSILON = 1e-6


def cosine(mine: Tensor, other: Tensor) -> Tensor:
    """Return the mean over positions of the squared distance of two maps (N, C, H, W) whose positions were made of length one, 0 to 4.

    It is LPIPS's distance without the learnt weights of channels (Zhang et al., CVPR 2018, equation 1); layers of different scales
    contribute alike.
    """
    return (_unit(mine) - _unit(other)).square().sum(1).mean()


def _unit(maps: Tensor) -> Tensor:
    return maps * (maps.square().sum(1, keepdim=True) + EPSILON).rsqrt()


DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cosine": cosine, "l1": functional.l1_loss, "mse": functional.mse_loss}


class EfficientNetLiteDistance(nn.Module):
    """The weighted sum of the distances between two images' maps in EfficientNet-Lite0, of which only the stages needed are kept.

    ``layers`` maps ``stage1`` to ``stage9`` (the numbers of the paper's Table 1) to weights. Images are seen at their own size.
    """

    def __init__(
        self, network: EfficientNetLite0, layers: Mapping[str, float], *, distance: str = "cosine", weights_hash: str = ""
    ) -> None:
        super().__init__()
        problems = [f"efficientnet_lite0 has no layer {name!r}: {nearest(name, STAGES)}" for name in layers if name not in STAGES]
        if not layers:
            problems.append("efficientnet_lite0 compares images at one layer at least, such as stage4")
        if distance not in DISTANCES:
            problems.append(f"efficientnet_lite0's distance must be one of {', '.join(DISTANCES)}, got {distance!r}")
        if problems:
            raise ConfigError(problems)
        self.layers = dict(layers)
        self.distance = DISTANCES[distance]
        self.weights_hash = weights_hash
        self.network = network.up_to(max(layers, key=STAGES.index))
        self.requires_grad_(False)

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Return the maps of images (N, 3 or 1, H, W) in [-1, 1] at each of ``layers``, in the network's order."""
        if images.shape[1] not in (1, 3):
            raise ConfigError(f"efficientnet_lite0 sees colour or grey images, not {images.shape[1]} channels")
        return {name: maps for name, maps in self.network.maps(normalised(images)) if name in self.layers}

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.maps(target)
        parts = [self.layers[name] * self.distance(maps, wanted[name]) for name, maps in self.maps(image).items()]
        return torch.stack(parts).sum()


@PERCEPTUAL.register("efficientnet_lite0")
def efficientnet_lite0(
    *, weights: str | None = None, layers: Mapping[str, float] | None = None, distance: str = "cosine"
) -> EfficientNetLiteDistance:
    """Return the distance in the features of EfficientNet-Lite0 trained on ImageNet.

    The weights are the package's (extra ``judges``), or those of the file ``weights``.

    ``layers`` maps stages (``stage1`` to ``stage9``) to weights, and by default has one of each resolution, each with the weight 1.
    ``distance`` is ``cosine`` (LPIPS's equation 1 without learnt weights), ``l1`` or ``mse``.

    Raises ConfigError where the package is not installed or an argument cannot be, CheckpointError for weights that do not fit.
    """
    path = weights_file(weights, user="efficientnet_lite0")
    return EfficientNetLiteDistance(
        load(path), DEFAULT_STAGES if layers is None else layers, distance=distance, weights_hash=sha256_file(path)
    ).eval()
