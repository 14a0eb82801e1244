"""Dense blocks (RRDB's kind): every convolution sees all the maps before it, residuals are scaled."""

import torch
import torch.nn as nn


class DenseBlock(nn.Module):
    def __init__(self, channels, growth, n=3, res_scale=0.2):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(channels + i * growth, growth, 3, 1, 1) for i in range(n)])
        self.fuse = nn.Conv2d(channels + n * growth, channels, 1)
        self.act = nn.LeakyReLU(0.2, True)
        self.res_scale = res_scale

    def forward(self, x):
        feats = [x]
        for conv in self.convs:
            feats.append(self.act(conv(torch.cat(feats, 1))))
        return x + self.res_scale * self.fuse(torch.cat(feats, 1))


class DenseNet(nn.Module):
    def __init__(self, in_nc=3, out_nc=3, nf=16, gc=8, blocks=2):
        super().__init__()
        self.head = nn.Conv2d(in_nc, nf, 3, 1, 1)
        self.body = nn.Sequential(*[DenseBlock(nf, gc) for _ in range(blocks)])
        self.body_out = nn.Conv2d(nf, nf, 3, 1, 1)
        self.tail = nn.Conv2d(nf, out_nc, 3, 1, 1)

    def forward(self, x):
        feat = self.head(x)
        feat = feat + self.body_out(self.body(feat))
        return self.tail(feat).clamp(-1, 1)
