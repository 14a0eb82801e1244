"""PatchGAN, the discriminator of pix2pix (Isola et al., CVPR 2017)."""

from __future__ import annotations

from torch import Tensor, nn

from autogc.models.registry import DISCRIMINATORS


@DISCRIMINATORS.register("patchgan")
class PatchGAN(nn.Module):
    """Classify overlapping patches as real or not: ``(N, in_channels, H, W)`` to logits ``(N, 1, H', W')``.

    ``layers`` stride-2 convolutions; 3 of them see 70 x 70 patches. Instance normalisation except in
    the first and the last layer.
    """

    def __init__(self, in_channels: int, *, base_channels: int = 64, layers: int = 3) -> None:
        super().__init__()
        c = base_channels
        parts: list[nn.Module] = [nn.Conv2d(in_channels, c, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for index in range(1, layers + 1):
            before, after = c * min(2 ** (index - 1), 8), c * min(2**index, 8)
            stride = 1 if index == layers else 2
            parts += [nn.Conv2d(before, after, 4, stride=stride, padding=1), nn.InstanceNorm2d(after), nn.LeakyReLU(0.2)]
        parts.append(nn.Conv2d(c * min(2**layers, 8), 1, 4, padding=1))
        self.model = nn.Sequential(*parts)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x)
        return logits
