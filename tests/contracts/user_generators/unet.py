"""A U-Net as people write it: double convolutions, max pooling, bilinear upsampling, the skip cut to size."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class DoubleConv(nn.Module):
    def __init__(self, in_ch, out_ch):
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(in_ch, out_ch, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_ch),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_ch, out_ch, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_ch),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.block(x)


class Up(nn.Module):
    def __init__(self, in_ch, skip_ch, out_ch):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.conv = DoubleConv(in_ch + skip_ch, out_ch)

    def forward(self, x, skip):
        x = self.up(x)
        dy, dx = skip.size(2) - x.size(2), skip.size(3) - x.size(3)
        x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([skip, x], dim=1))


class MyUNet(nn.Module):
    def __init__(self, in_channels=3, out_channels=3, width=16):
        super().__init__()
        self.inc = DoubleConv(in_channels, width)
        self.down = nn.ModuleList([DoubleConv(width * 2**i, width * 2 ** (i + 1)) for i in range(2)])
        self.up = nn.ModuleList([Up(width * 2 ** (i + 1), width * 2**i, width * 2**i) for i in reversed(range(2))])
        self.outc = nn.Conv2d(width, out_channels, 1)

    def forward(self, x):
        skips = [self.inc(x)]
        for down in self.down:
            skips.append(down(F.max_pool2d(skips[-1], 2)))
        y = skips.pop()
        for up in self.up:
            y = up(y, skips.pop())
        return torch.tanh(self.outc(y))
