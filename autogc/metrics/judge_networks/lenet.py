"""LeNet-5 for MNIST, a published classifier (LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 1998).

The modules bear the names that the published weights have; those are loaded from a file that the user names.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from autogc.data import Dataset
from autogc.errors import ConfigError
from autogc.metrics.judge_networks.weights import fill
from autogc.metrics.registry import FEATURE_NETWORKS, JudgeNetwork

SIZE = 32
# Luma of red, green and blue (ITU-R BT.601): coloured digits are judged by their shape alone.
GREY = (0.299, 0.587, 0.114)


class LeNet5(JudgeNetwork):
    """Digits in [-1, 1] of any size, as grey in 0..1 resized bilinearly to 32 x 32, to ten classes; 84 features under the last layer."""

    classifies = True
    grey: Tensor

    def __init__(self, *, label: str = "LeNet-5") -> None:
        super().__init__()
        self.label = label
        self.convnet = nn.Sequential(
            OrderedDict(
                c1=nn.Conv2d(1, 6, 5), relu1=nn.ReLU(), s2=nn.MaxPool2d(2),
                c3=nn.Conv2d(6, 16, 5), relu3=nn.ReLU(), s4=nn.MaxPool2d(2),
                c5=nn.Conv2d(16, 120, 5), relu5=nn.ReLU(),
            )
        )  # fmt: skip
        self.fc = nn.Sequential(OrderedDict(f6=nn.Linear(120, 84), relu6=nn.ReLU(), f7=nn.Linear(84, 10)))
        self.register_buffer("grey", torch.tensor(GREY).view(1, 3, 1, 1), persistent=False)
        self.eval()

    def preprocess(self, images: Tensor) -> Tensor:
        """Return pictures (N, 3, H, W) in [-1, 1] as the network was trained to see them, (N, 1, 32, 32) in 0..1."""
        grey = ((images.float() + 1) / 2 * self.grey).sum(1, keepdim=True)
        if tuple(grey.shape[-2:]) == (SIZE, SIZE):
            return grey
        return functional.interpolate(grey, (SIZE, SIZE), mode="bilinear", align_corners=False)

    def features(self, images: Tensor) -> Tensor:
        """Return the activations of the last hidden layer, (N, 84)."""
        return self.fc[:2](self.convnet(self.preprocess(images)).flatten(1))

    def features_and_probabilities(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(images)
        return features, self.fc[2](features).softmax(1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the probability of each digit, (N, 10)."""
        return self.features_and_probabilities(images)[1]


@FEATURE_NETWORKS.register("lenet_mnist")
def lenet_mnist(*, weights: str, data: Dataset, seed: int) -> LeNet5:
    """Return the classifier with the weights in the file ``weights``.

    Raises ``ConfigError`` for a missing file, ``CheckpointError`` for one that is no LeNet-5.
    """
    del data, seed  # It judges any picture, whatever that is worth, and nothing is drawn.
    path = Path(weights).expanduser()
    if not path.is_file():
        raise ConfigError(f"lenet_mnist: {path} does not exist; give the published lenet_mnist_acc0.991.pth as weights")
    network = LeNet5(label="LeNet-5 trained on MNIST, published weights, grey pictures resized to 32x32; its features are not Inception's")
    fill(network, path, what="LeNet-5 (convnet.c1 ... fc.f7)")
    return network
