"""Weaves rows and columns: strip convolutions, gated halves, a refinement that is applied twice with the same weights."""

import torch
from torch import nn
from torch.nn import functional as F


class Strip(nn.Module):
    """A row and a column convolution of a normalised input, each gating the other's half."""

    def __init__(self, channels, reach):
        super().__init__()
        self.norm = nn.GroupNorm(4, channels)
        self.row = nn.Conv2d(channels, 2 * channels, (1, reach), padding=(0, reach // 2))
        self.column = nn.Conv2d(channels, channels, (reach, 1), padding=(reach // 2, 0), groups=channels)
        self.strength = nn.Parameter(torch.full((channels, 1, 1), 0.5))

    def forward(self, x):
        value, gate = self.row(F.silu(self.norm(x))).chunk(2, dim=1)
        return x + self.strength * self.column(value * torch.sigmoid(gate))


class Loom(nn.Module):
    def __init__(self, threads, width=32, passes=2, reach=5):
        super().__init__()
        self.passes = passes
        self.spread = nn.Conv2d(threads + 2, width, 4, stride=2, padding=1)
        self.fold = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.refine = Strip(2 * width, reach)
        self.attend = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 2 * width), nn.Sigmoid())
        self.unfold = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
        self.merge = nn.Conv2d(2 * width, width, 1)
        self.paint = nn.Conv2d(width, 12, 3, padding=1)

    def forward(self, x):
        n, _, h, w = x.shape
        down = torch.linspace(-1, 1, h).view(1, 1, h, 1).expand(n, 1, h, w)
        across = torch.linspace(-1, 1, w).view(1, 1, 1, w).expand(n, 1, h, w)
        early = F.leaky_relu(self.spread(torch.cat([x, down, across], dim=1)), 0.1)
        y = self.fold(early)
        for _ in range(self.passes):
            y = self.refine(y)
        y = y * self.attend(y.mean(dim=(2, 3)))[:, :, None, None]
        y = F.pixel_shuffle(self.unfold(y), 2)
        y = F.silu(self.merge(torch.cat([y, early], dim=1)))
        return torch.tanh(F.pixel_shuffle(self.paint(y), 2))
