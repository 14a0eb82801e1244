"""A generator of the kind that real super-resolution networks are: convolutions of one width, PReLUs, PixelShuffle."""

import torch.nn.functional as F
from torch import Tensor, nn

NORMS = {"none": lambda width: nn.Identity(), "batch": nn.BatchNorm2d, "instance": lambda width: nn.InstanceNorm2d(width, affine=True)}


class PlainStack(nn.Module):
    def __init__(self, norm: str = "none", width: int = 32, convolutions: int = 6) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1), NORMS[norm](width), nn.PReLU(width)]
        for _ in range(convolutions):
            layers += [nn.Conv2d(width, width, 3, 1, 1), NORMS[norm](width), nn.PReLU(width)]
        layers.append(nn.Conv2d(width, 12, 3, 1, 1))
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.body(x), 2)
