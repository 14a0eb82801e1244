"""Shared weights of every kind: one block run three times, one layer under two names, one weight in two layers, a subclassed layer."""

import torch.nn as nn
import torch.nn.functional as F


class PadConv(nn.Conv2d):
    """'Same' padding by reflection, as an own kind of convolution."""

    def forward(self, x):
        pad = self.kernel_size[0] // 2
        return super().forward(F.pad(x, (pad, pad, pad, pad), mode="reflect"))


class Recurrent(nn.Module):
    def __init__(self, nf):
        super().__init__()
        self.conv1 = PadConv(nf, nf, 3)
        self.norm = nn.BatchNorm2d(nf)
        self.conv2 = PadConv(nf, nf, 3)

    def forward(self, x):
        return x + self.conv2(F.relu(self.norm(self.conv1(x))))


class SharedGenerator(nn.Module):
    def __init__(self, nf=16, steps=3):
        super().__init__()
        self.steps = steps
        self.enc = nn.Conv2d(3, nf, 3, stride=2, padding=1)
        self.block = Recurrent(nf)
        self.mix_a = nn.Conv2d(nf, nf, 3, padding=1)
        self.mix_b = nn.Conv2d(nf, nf, 3, padding=1)
        self.mix_b.weight = self.mix_a.weight
        self.refine = nn.Conv2d(nf, nf, 3, padding=1)
        self.again = self.refine
        self.dec = nn.ConvTranspose2d(nf, nf // 2, 4, stride=2, padding=1)
        self.out = PadConv(nf // 2, 3, 7)

    def forward(self, x):
        y = F.relu(self.enc(x))
        for _ in range(self.steps):
            y = self.block(y)
        y = F.relu(self.mix_a(y)) - F.relu(self.mix_b(y))
        y = self.again(F.relu(self.refine(y)))
        return self.out(F.relu(self.dec(y))).tanh()
