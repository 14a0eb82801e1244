"""PatchGAN and PixelGAN, the discriminators of pix2pix (Isola et al., CVPR 2017)."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from autogc.models.initialization import initialize_normal
from autogc.models.norm import needs_bias, norm_layer
from autogc.models.registry import DISCRIMINATORS
from autogc.models.spectral import spectral


@DISCRIMINATORS.register("patchgan")
class PatchGAN(nn.Module):
    """Classify overlapping patches as real or not: ``(N, in_channels, H, W)`` to logits ``(N, 1, H', W')``.

    ``layers`` stride-2 convolutions; 3 of them see 70 x 70 patches. Normalisation (``norm``) except in the first and the last layer;
    with ``spectral_norm`` every convolution's weight is normalised (Miyato et al., ICLR 2018), which goes with ``norm`` ``none``.
    """

    def __init__(
        self, in_channels: int, *, base_channels: int = 64, layers: int = 3, norm: str = "instance", spectral_norm: bool = False
    ) -> None:
        super().__init__()
        c = base_channels
        bias = needs_bias(norm)
        parts: list[nn.Module] = [nn.Conv2d(in_channels, c, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for index in range(1, layers + 1):
            before, after = c * min(2 ** (index - 1), 8), c * min(2**index, 8)
            stride = 1 if index == layers else 2
            convolution = nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=bias)
            parts += [convolution, norm_layer(norm, after), nn.LeakyReLU(0.2)]
        parts.append(nn.Conv2d(c * min(2**layers, 8), 1, 4, padding=1))
        self.model = nn.Sequential(*parts)
        self.apply(initialize_normal)
        for part in parts:
            if isinstance(part, nn.Conv2d):
                spectral(part, wanted=spectral_norm)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x)
        return logits


@DISCRIMINATORS.register("pixel")
class PixelDiscriminator(nn.Module):
    """Classify every pixel by itself (PixelGAN, section 3.4): ``(N, in_channels, H, W)`` to logits ``(N, 1, H, W)``.

    Three 1x1 convolutions, the second normalised; but for the normalisation's statistics, no pixel knows of another.
    """

    def __init__(self, in_channels: int, *, base_channels: int = 64, norm: str = "instance") -> None:
        super().__init__()
        c = base_channels
        bias = needs_bias(norm)
        self.model = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(in_channels, c, 1),
                relu1=nn.LeakyReLU(0.2),
                conv2=nn.Conv2d(c, 2 * c, 1, bias=bias),
                norm=norm_layer(norm, 2 * c),
                relu2=nn.LeakyReLU(0.2),
                conv3=nn.Conv2d(2 * c, 1, 1, bias=bias),
            )
        )
        self.apply(initialize_normal)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x)
        return logits
