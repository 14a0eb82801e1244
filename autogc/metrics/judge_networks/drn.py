"""DRN-D-105 for Cityscapes, a published segmenter (Yu et al., "Dilated Residual Networks", CVPR 2017): what GAN Compression's mIoU is.

The modules bear the names that the published weights have; those are loaded from a file that the user names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autogc.data import Dataset
from autogc.data.cityscapes import CLASSES
from autogc.errors import ConfigError
from autogc.metrics.judge_networks.download import given
from autogc.metrics.judge_networks.upsampling import classes_at
from autogc.metrics.judge_networks.weights import fill
from autogc.metrics.registry import SEGMENTERS, JudgeNetwork

CITYSCAPES_CLASSES = tuple(CLASSES)
# Of the photographs of Cityscapes' training set, red, green and blue in 0..1.
MEAN = (0.29010095242892997, 0.32808144844279574, 0.28696394422942517)
DEVIATION = (0.1829540508368939, 0.18656561047509476, 0.18447508988480435)
# Blocks of each of the four levels of bottlenecks, their inner channels, stride and dilation: those of a ResNet-101, whose last two
# levels are dilated in place of strided.
LEVELS = ((3, 64, 2, 1), (4, 128, 2, 1), (23, 256, 1, 2), (3, 512, 1, 4))
EXPANSION = 4
STRIDE = 8


class _Convolutions(nn.Sequential):
    """A convolution that keeps the size (strided, it halves it), its batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, dilation=dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class _Bottleneck(nn.Module):
    """Three convolutions and a skip connection: ``(N, inputs, H, W) -> (N, 4 width, H / stride, W / stride)``."""

    def __init__(self, inputs: int, width: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        skipped = x if self.downsample is None else self.downsample(x)
        x = self.bn1(self.conv1(x)).relu_()
        x = self.bn2(self.conv2(x)).relu_()
        return self.bn3(self.conv3(x)).add_(skipped).relu_()


class DRN(JudgeNetwork):
    """DRN-D-105 and its classifier of pixels: photographs (N, 3, H, W), as ``preprocess`` makes them, to logits (N, 19, H, W).

    The logits are those of an eighth of the size, enlarged by a fixed bilinear kernel; of sides that 8 does not divide, by the next
    multiple.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, classes: int = len(CITYSCAPES_CLASSES), *, label: str = "DRN-D-105") -> None:
        super().__init__()
        self.label = label
        layers: list[nn.Module] = [_Convolutions(3, 16, 7), _Convolutions(16, 16), _Convolutions(16, 32, stride=2)]
        inputs = 32
        for blocks, width, stride, dilation in LEVELS:
            first = _Bottleneck(inputs, width, stride=stride, dilation=dilation)
            inputs = EXPANSION * width
            layers.append(nn.Sequential(first, *(_Bottleneck(inputs, width, dilation=dilation) for _ in range(blocks - 1))))
        # Two levels without a skip connection smooth out the grid that dilation leaves (the paper's section 4).
        last = LEVELS[-1][1]
        layers += [_Convolutions(inputs, last, dilation=2), _Convolutions(last, last)]
        self.base = nn.Sequential(*layers)
        self.seg = nn.Conv2d(last, classes, 1)
        self.up = nn.ConvTranspose2d(classes, classes, 2 * STRIDE, stride=STRIDE, padding=STRIDE // 2, groups=classes, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)
        self.eval()

    def preprocess(self, images: Tensor) -> Tensor:
        """Return pictures in [-1, 1] as the network was trained to see them, at their own size."""
        return ((images.float() + 1) / 2 - self.mean) / self.deviation

    def forward(self, photos: Tensor) -> Tensor:
        return self.up(self.seg(self.base(photos)))

    def segment(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        # One picture at a time, as the published protocol has it: at 2048x1024 its activations take more than a gigabyte.
        return torch.cat([classes_at(self(self.preprocess(image[None])), size) for image in images])


@SEGMENTERS.register("drn_cityscapes")
def drn_cityscapes(*, weights: str, data: Dataset, seed: int) -> DRN:
    """Return the published DRN-D-105 with the weights in the file ``weights``.

    As GAN Compression counts mIoU (Li et al., CVPR 2020, section 4.2), pictures are shown at their own size, and what the network says of
    their pixels is resized bilinearly to the labels' 2048x1024: give the dataset ``judged_size: native``. Raises ``ConfigError`` for a
    dataset with other classes than Cityscapes' 19 or a missing file, ``CheckpointError`` for a file that is no DRN-D-105.
    """
    del seed  # Nothing is drawn.
    if data.class_names != CITYSCAPES_CLASSES:
        there = ", ".join(data.class_names) or "none"
        raise ConfigError(f"drn_cityscapes knows the classes {', '.join(CITYSCAPES_CLASSES)}, and the dataset has {there}")
    path = given(
        weights,
        network="drn_cityscapes",
        advice="give the published drn-d-105_ms_cityscapes.pth as weights, or use dataset_segmenter, which autogc trains itself",
    )
    label = "DRN-D-105 of Yu et al. (CVPR 2017), published Cityscapes weights, pictures at their own size, logits resized to the labels'"
    network = DRN(label=label)
    fill(network, path, what="DRN-D-105 with a classifier of 19 classes (base.0 ... base.8, seg, up)")
    return network
