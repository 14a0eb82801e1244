"""Small generators of convolutions and linear layers, whose channels are moved about in many ways."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(3, 6, 4, 2, 1)
        self.down2 = nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(6, 10, 4, 2, 1, bias=False), nn.BatchNorm2d(10))
        self.middle = nn.Sequential(nn.ReLU(), nn.Conv2d(10, 12, 3, padding=1), nn.BatchNorm2d(12))
        self.up2 = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(22, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8))
        self.up1 = nn.ConvTranspose2d(14, 3, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(a)
        c = self.up2(torch.cat([b, self.middle(b)], 1))
        return torch.tanh(self.up1(F.relu(torch.cat([c, a], 1))))


class SuperResolution(nn.Module):
    """SRGAN: residual trunk, PReLU, PixelShuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.PReLU(8))
        self.block = nn.Sequential(nn.Conv2d(8, 10, 3, padding=1), nn.BatchNorm2d(10), nn.PReLU(), nn.Conv2d(10, 8, 3, padding=1))
        self.up = nn.Sequential(nn.Conv2d(8, 24, 3, padding=1), nn.PixelShuffle(2), nn.PReLU(6))
        self.last = nn.Conv2d(6, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.last(self.up(y + self.block(y)))


class ShuffleByHand(nn.Module):
    """PixelShuffle written with views."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 24, 3, padding=1), nn.Conv2d(6, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        n, _, h, w = y.shape
        y = y.view(n, -1, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, -1, 2 * h, 2 * w)
        return self.last(torch.relu(y))


class Mobile(nn.Module):
    """Depthwise, depthwise with a multiplier, and a grouped convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.wider = nn.Conv2d(8, 16, 3, padding=1, groups=8)
        self.pointwise = nn.Conv2d(16, 12, 1)
        self.grouped = nn.Conv2d(12, 18, 3, padding=1, groups=3)
        self.up = nn.ConvTranspose2d(18, 18, 4, 2, 1, groups=18)
        self.grouped_up = nn.ConvTranspose2d(18, 6, 4, 2, 1, groups=3)
        self.last = nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.pointwise(torch.relu(self.wider(self.depthwise(self.stem(x))))))
        return self.last(torch.relu(self.grouped_up(self.up(torch.relu(self.grouped(y))))))


class Dcgan(nn.Module):
    """A linear layer seen as 4 x 4 pictures: by a literal number of channels, or by the number that there are."""

    def __init__(self, *, literal: bool) -> None:
        super().__init__()
        self.literal = literal
        self.linear = nn.Linear(7, 12 * 16)
        self.norm = nn.BatchNorm2d(12)
        self.up = nn.ConvTranspose2d(12, 6, 4, 2, 1)
        self.last = nn.ConvTranspose2d(6, 3, 4, 2, 1)

    def forward(self, z: Tensor) -> Tensor:
        y = self.linear(z).view(-1, 12, 4, 4) if self.literal else self.linear(z).view(len(z), -1, 4, 4)
        return torch.tanh(self.last(torch.relu(self.up(torch.relu(self.norm(y))))))


class Flattening(nn.Module):
    """An encoder to a vector and back."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 4, 4)
        self.code = nn.Linear(6 * 16, 10)
        self.back = nn.Linear(10, 5 * 16)
        self.last = nn.ConvTranspose2d(5, 3, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        code = torch.relu(self.code(torch.relu(self.conv(x)).flatten(1)))
        return self.last(torch.relu(self.back(code)).unflatten(1, (-1, 4, 4)))


class Gated(nn.Module):
    """GLU, chunks that meet again, and chunks that go different ways."""

    def __init__(self) -> None:
        super().__init__()
        self.glu = nn.Conv2d(3, 16, 3, padding=1)
        self.chunked = nn.Conv2d(8, 12, 3, padding=1)
        self.parted = nn.Conv2d(6, 10, 3, padding=1)
        self.own = nn.Conv2d(5, 5, 3, padding=1)
        self.last = nn.Conv2d(10, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.glu(self.glu(x), 1)
        a, b = self.chunked(y).chunk(2, 1)
        y = self.parted(a * torch.sigmoid(b))
        a, b = y[:, :5], y[:, 5:]
        return self.last(torch.cat([torch.relu(self.own(a)), b], 1))


class ChannelShuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 12, 1), nn.Conv2d(12, 12, 3, padding=1, groups=2)
        self.last = nn.Conv2d(12, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(torch.relu(self.a(x)))
        n, c, h, w = y.shape
        y = y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.last(torch.relu(y))


class SharedWeights(nn.Module):
    """One convolution used twice, and one weight under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.shared = nn.Conv2d(8, 8, 3, padding=1)
        self.one, self.two = nn.Conv2d(8, 6, 1), nn.Conv2d(8, 6, 1)
        self.two.weight = self.one.weight
        self.last = nn.Conv2d(12, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.shared(torch.relu(self.shared(torch.relu(self.stem(x))))))
        return self.last(torch.cat([torch.relu(self.one(y)), torch.tanh(self.two(y))], 1))


class ImageAndFeatures(nn.Module):
    """The image joins the features, and a slice assignment puts them together."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(9, 7, 3, padding=1), nn.Conv2d(13, 5, 3, padding=1)
        self.last = nn.Conv2d(5, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.a(x))
        z = torch.relu(self.b(torch.cat([x, y], 1)))
        both = torch.zeros(len(x), y.shape[1] + z.shape[1], *x.shape[2:], dtype=x.dtype, device=x.device)
        both[:, : y.shape[1]] = y
        both[:, y.shape[1] :] = z
        return self.last(torch.relu(self.c(both)))
