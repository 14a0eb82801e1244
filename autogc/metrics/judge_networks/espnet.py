"""ESPNet for CamVid, a published segmenter (Mehta et al., "ESPNet: Efficient Spatial Pyramid of Dilated Convolutions", ECCV 2018).

The modules bear the names that the published weights have; those are loaded from a file that the user names.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from autogc.data import IGNORE_INDEX, Dataset
from autogc.errors import ConfigError
from autogc.metrics.judge_networks.upsampling import classes_at
from autogc.metrics.judge_networks.weights import fill
from autogc.metrics.registry import FEATURE_NETWORKS, SEGMENTERS, JudgeNetwork

CAMVID_CLASSES = ("sky", "building", "pole", "road", "pavement", "tree", "sign_symbol", "fence", "car", "pedestrian", "bicyclist")
# The published network was trained on photographs of this size (height, width), as BGR in 0..255 normalised by these.
SIZE = (360, 480)
MEAN_BGR = (110.33139, 108.40919, 105.03353)
DEVIATION_BGR = (72.125206, 72.68849, 69.902596)
DILATIONS = (2, 4, 8, 16)


class _Norm(nn.Module):
    """Batch normalisation and a PReLU for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, eps=1e-3)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class _Convolution(nn.Module):
    """A convolution that keeps the size, without a bias; strided, it halves it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=dilation * (kernel // 2), dilation=dilation, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _ConvolutionNorm(_Convolution):
    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class _Pyramid(nn.Module):
    """The spatial pyramid: reduce, convolve at five dilations, add them up hierarchically and concatenate (the paper's figure 1)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        each = outputs // 5
        first = outputs - 4 * each
        self.c1 = _Convolution(inputs, each, 3 if stride == 2 else 1, stride=stride)
        self.d1 = _Convolution(each, first, 3)
        for dilation in DILATIONS:
            setattr(self, f"d{dilation}", _Convolution(each, each, 3, dilation=dilation))

    def pyramid(self, x: Tensor) -> Tensor:
        reduced = self.c1(x)
        parts = [self.d1(reduced)]
        total: Tensor | None = None
        for dilation in DILATIONS:
            branch = getattr(self, f"d{dilation}")(reduced)
            total = branch if total is None else total + branch
            parts.append(total)
        return torch.cat(parts, 1)


class _Down(_Pyramid):
    """A pyramid that halves the size: ``(N, inputs, H, W) -> (N, outputs, H / 2, W / 2)``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, stride=2)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.pyramid(x)))


class _Same(_Pyramid):
    """A pyramid that keeps the size, with a skip connection where the channels agree."""

    def __init__(self, inputs: int, outputs: int, *, skip: bool = True) -> None:
        super().__init__(inputs, outputs)
        self.skip = skip
        self.bn = _Norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.pyramid(x)
        return self.bn(x + y if self.skip else y)


class _Encoder(nn.Module):
    """Photographs (N, 3, H, W) to maps of 19, 131 and 256 channels at a half, a quarter and an eighth of the size."""

    def __init__(self, classes: int, *, p: int, q: int) -> None:
        super().__init__()
        self.level1 = _ConvolutionNorm(3, 16, 3, stride=2)
        self.b1 = _Norm(16 + 3)
        self.level2_0 = _Down(16 + 3, 64)
        self.level2 = nn.ModuleList(_Same(64, 64) for _ in range(p))
        self.b2 = _Norm(128 + 3)
        self.level3_0 = _Down(128 + 3, 128)
        self.level3 = nn.ModuleList(_Same(128, 128) for _ in range(q))
        self.b3 = _Norm(256)
        # Of the encoder's own training; the decoder does not use it, but the weights hold it.
        self.classifier = _Convolution(256, classes, 1)

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        halved = functional.avg_pool2d(photos, 3, stride=2, padding=1)
        quartered = functional.avg_pool2d(halved, 3, stride=2, padding=1)
        level1 = self.b1(torch.cat([self.level1(photos), halved], 1))
        first = x = self.level2_0(level1)
        for layer in self.level2:
            x = layer(x)
        level2 = self.b2(torch.cat([x, first, quartered], 1))
        first = x = self.level3_0(level2)
        for layer in self.level3:
            x = layer(x)
        return level1, level2, self.b3(torch.cat([first, x], 1))


class ESPNet(JudgeNetwork):
    """ESPNet with its light decoder: photographs in [-1, 1] of any size, resized bicubically to 480x360, to classes of their pixels."""

    # 1 chose among the eleven classes alone, and compared at the pictures' size.
    protocol = 2
    mean: Tensor
    deviation: Tensor
    table: Tensor

    def __init__(self, classes: int = 12, *, p: int = 2, q: int = 8, label: str = "ESPNet") -> None:
        super().__init__()
        self.label = label
        self.encoder = _Encoder(classes, p=p, q=q)
        self.level3_C = _Convolution(128 + 3, classes, 1)
        self.br = nn.BatchNorm2d(classes, eps=1e-3)
        self.conv = _ConvolutionNorm(16 + 3 + classes, classes, 3)
        self.up_l3 = nn.Sequential(nn.ConvTranspose2d(classes, classes, 2, stride=2, bias=False))
        self.combine_l2_l3 = nn.Sequential(_Norm(2 * classes), _Same(2 * classes, classes, skip=False))
        self.up_l2 = nn.Sequential(nn.ConvTranspose2d(classes, classes, 2, stride=2, bias=False), _Norm(classes))
        self.classifier = nn.ConvTranspose2d(classes, classes, 2, stride=2, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN_BGR).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION_BGR).view(1, 3, 1, 1), persistent=False)
        # The last class is "unlabelled": a pixel that has a label was missed there, and counts against its class alone.
        table = torch.tensor([*range(classes - 1), IGNORE_INDEX], dtype=torch.uint8)
        self.register_buffer("table", table, persistent=False)
        self.eval()

    def preprocess(self, images: Tensor) -> Tensor:
        """Return pictures (N, 3, H, W) in [-1, 1] as the network was trained to see them, (N, 3, 360, 480)."""
        pixels = (images.float() + 1) * 127.5
        if tuple(images.shape[-2:]) != SIZE:
            pixels = functional.interpolate(pixels, SIZE, mode="bicubic", align_corners=False, antialias=True).clamp(0, 255).round()
        # The published normalisation divides by 255 after the deviation, however odd that is.
        return (pixels.flip(1) - self.mean) / self.deviation / 255

    def forward(self, photos: Tensor) -> Tensor:
        """Return logits (N, classes, H, W) of preprocessed photographs whose sides 8 divides."""
        level1, level2, level3 = self.encoder(photos)
        deep = self.up_l3(self.br(self.encoder.classifier(level3)))
        joined = self.combine_l2_l3(torch.cat([self.level3_C(level2), deep], 1))
        return self.classifier(self.conv(torch.cat([self.up_l2(joined), level1], 1)))

    def segment(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        return classes_at(self(self.preprocess(images)), size, table=self.table)

    def features(self, images: Tensor) -> Tensor:
        """Return the mean over the picture of the encoder's last maps, (N, 256)."""
        return self.encoder(self.preprocess(images))[2].mean((2, 3))


@FEATURE_NETWORKS.register("espnet_camvid")
@SEGMENTERS.register("espnet_camvid")
def espnet_camvid(*, weights: str, data: Dataset, seed: int) -> ESPNet:
    """Return the published ESPNet(classes=12, p=2, q=8) with the weights in the file ``weights``.

    Raises ``ConfigError`` for a dataset with other classes than CamVid's eleven or a missing file, ``CheckpointError`` for a file that is
    no ESPNet.
    """
    del seed  # Nothing is drawn.
    path = Path(weights).expanduser()
    problems = []
    if data.class_names != CAMVID_CLASSES:
        there = ", ".join(data.class_names) or "none"
        problems.append(f"espnet_camvid knows the classes {', '.join(CAMVID_CLASSES)}, and the dataset has {there}")
    if not path.is_file():
        problems.append(
            f"espnet_camvid: {path} does not exist; give the published espnet_p_2_q_8_camvid.pth as weights, "
            "or use dataset_segmenter, which autogc trains itself"
        )
    if problems:
        raise ConfigError(problems)
    label = "ESPNet of Mehta et al. (ECCV 2018), published CamVid weights, pictures enlarged to 480x360; its features are not Inception's"
    network = ESPNet(label=label)
    fill(network, path, what="ESPNet(classes=12, p=2, q=8)")
    return network
