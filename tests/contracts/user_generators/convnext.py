"""ConvNeXt blocks: depthwise 7x7, LayerNorm over channels in the last place, an inverted bottleneck of linear layers, layer scale."""

import torch
from torch import nn


class ConvNeXtBlock(nn.Module):
    def __init__(self, dim, layer_scale=1.0):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.act = nn.GELU()
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(layer_scale * torch.ones(dim))

    def forward(self, x):
        shortcut = x
        x = self.dwconv(x)
        x = x.permute(0, 2, 3, 1)
        x = self.norm(x)
        x = self.pwconv2(self.act(self.pwconv1(x)))
        x = self.gamma * x
        return shortcut + x.permute(0, 3, 1, 2)


class ConvNeXtGenerator(nn.Module):
    def __init__(self, channels=3, dim=16, depth=2):
        super().__init__()
        self.stem = nn.Conv2d(channels, dim, kernel_size=4, stride=4)
        self.blocks = nn.ModuleList(ConvNeXtBlock(dim) for _ in range(depth))
        self.expand = nn.ConvTranspose2d(dim, dim // 2, 4, stride=4)
        self.to_rgb = nn.Conv2d(dim // 2, channels, 3, padding=1)

    def forward(self, x):
        h = self.stem(x)
        for block in self.blocks:
            h = block(h)
        return self.to_rgb(nn.functional.gelu(self.expand(h))).tanh()
