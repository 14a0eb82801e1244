"""The SPADE generator of GauGAN (Park et al., CVPR 2019): label maps to images, the labels modulating every normalisation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from autogc.models.arguments import one_of, sides_divisible
from autogc.models.initialization import initialize_xavier
from autogc.models.registry import GENERATORS
from autogc.models.spectral import spectral

# How often each setting doubles the size that the label map is first reduced to.
DOUBLINGS = {"normal": 5, "more": 6, "most": 7}
# Published weights were trained with batch statistics over all devices; each device's own are what is left of that on one.
PARAMETER_FREE: dict[str, Callable[[int], nn.Module]] = {
    "batch": lambda channels: nn.BatchNorm2d(channels, affine=False),
    "instance": lambda channels: nn.InstanceNorm2d(channels),
}


class Spade(nn.Module):
    """Spatially-adaptive denormalisation: ``norm(x) * (1 + gamma(labels)) + beta(labels)`` (equation 1 and figure 2).

    ``x`` is (N, channels, h, w), ``labels`` (N, label_channels, H, W), of which each position of x takes the nearest.
    """

    def __init__(self, channels: int, label_channels: int, *, hidden_channels: int, norm: str) -> None:
        super().__init__()
        self.norm = PARAMETER_FREE[norm](channels)
        shared = nn.Conv2d(label_channels, hidden_channels, 3, padding=1)
        self.shared = nn.Sequential(OrderedDict(conv=shared, relu=nn.ReLU()))
        self.gamma = nn.Conv2d(hidden_channels, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden_channels, channels, 3, padding=1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        hidden = self.shared(F.interpolate(labels, size=x.shape[-2:], mode="nearest"))
        modulated: Tensor = self.norm(x) * (1 + self.gamma(hidden)) + self.beta(hidden)
        return modulated


class SpadeBlock(nn.Module):
    """Two modulated 3x3 convolutions with a skip, learned where the width changes: ``(N, before, h, w) -> (N, after, h, w)``."""

    def __init__(self, before: int, after: int, label_channels: int, *, hidden_channels: int, norm: str, spectral_norm: bool) -> None:
        super().__init__()
        middle = min(before, after)
        self.norm1 = Spade(before, label_channels, hidden_channels=hidden_channels, norm=norm)
        self.conv1 = nn.Conv2d(before, middle, 3, padding=1)
        self.norm2 = Spade(middle, label_channels, hidden_channels=hidden_channels, norm=norm)
        self.conv2 = nn.Conv2d(middle, after, 3, padding=1)
        self.learned_skip = before != after
        if self.learned_skip:
            self.norm_skip = Spade(before, label_channels, hidden_channels=hidden_channels, norm=norm)
            self.conv_skip = nn.Conv2d(before, after, 1, bias=False)
        self.apply(initialize_xavier)
        for conv in [self.conv1, self.conv2] + ([self.conv_skip] if self.learned_skip else []):
            spectral(conv, wanted=spectral_norm)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        y = self.conv1(F.leaky_relu(self.norm1(x, labels), 0.2))
        y = self.conv2(F.leaky_relu(self.norm2(y, labels), 0.2))
        if self.learned_skip:
            x = self.conv_skip(self.norm_skip(x, labels))
        return x + y


@GENERATORS.register("spade")
class SpadeGenerator(nn.Module):
    """Maps label maps ``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)`` in [-1, 1].

    The map is one-hot in {-1, 1}, as autogc's datasets give it, with a channel of instance edges behind it where there is one; the
    network itself, as published, sees (x + 1) / 2, that is 0 and 1. It starts from the map at 1/32, 1/64 or 1/128 of its size, which must
    divide H and W: ``upsampling`` is ``normal`` (for images of 256 pixels), ``more`` (Cityscapes' 512) or ``most``, which adds a block.
    With 36 channels in and ``more`` it has 93,048,003 parameters (GAN Compression, table 1: 93.0 M).

    Parts, by name: ``fc``, ``head``, ``middle1``, ``middle2``, ``up1`` ... ``up4`` (``up5`` with ``most``), ``to_image``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        base_channels: int = 64,
        upsampling: str = "normal",
        norm: str = "batch",
        spectral_norm: bool = True,
        hidden_channels: int = 128,
    ) -> None:
        super().__init__()
        one_of("upsampling", upsampling, DOUBLINGS)
        one_of("norm", norm, PARAMETER_FREE)
        self.upsampling = upsampling
        c = base_channels

        def block(before: int, after: int) -> SpadeBlock:
            return SpadeBlock(before, after, in_channels, hidden_channels=hidden_channels, norm=norm, spectral_norm=spectral_norm)

        self.fc = nn.Conv2d(in_channels, 16 * c, 3, padding=1)
        self.head = block(16 * c, 16 * c)
        self.middle1 = block(16 * c, 16 * c)
        self.middle2 = block(16 * c, 16 * c)
        self.up1 = block(16 * c, 8 * c)
        self.up2 = block(8 * c, 4 * c)
        self.up3 = block(4 * c, 2 * c)
        self.up4 = block(2 * c, c)
        if upsampling == "most":
            self.up5 = block(c, c // 2)
        self.to_image = nn.Conv2d(c // 2 if upsampling == "most" else c, out_channels, 3, padding=1)
        self.fc.apply(initialize_xavier)
        self.to_image.apply(initialize_xavier)

    def forward(self, x: Tensor) -> Tensor:
        reduction = 2 ** DOUBLINGS[self.upsampling]
        sides_divisible(f"spade with upsampling {self.upsampling!r}", x, reduction)
        labels = (x + 1) / 2
        height, width = x.shape[-2:]
        y = self.fc(F.interpolate(labels, size=(height // reduction, width // reduction), mode="nearest"))
        y = self.middle1(_double(self.head(y, labels)), labels)
        y = self.middle2(y if self.upsampling == "normal" else _double(y), labels)
        for block in [self.up1, self.up2, self.up3, self.up4] + ([self.up5] if self.upsampling == "most" else []):
            y = block(_double(y), labels)
        return self.to_image(F.leaky_relu(y, 0.2)).tanh()


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
