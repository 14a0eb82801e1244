"""Super-resolution with PixelShuffle: residual groups with channel attention, weight normalisation, PReLU with a slope a channel."""

import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm


class SEResBlock(nn.Module):
    def __init__(self, n_feats, reduction=4):
        super().__init__()
        self.conv1 = weight_norm(nn.Conv2d(n_feats, n_feats, 3, padding=1))
        self.prelu = nn.PReLU(n_feats)
        self.conv2 = weight_norm(nn.Conv2d(n_feats, n_feats, 3, padding=1))
        self.squeeze = nn.Conv2d(n_feats, n_feats // reduction, 1)
        self.excite = nn.Conv2d(n_feats // reduction, n_feats, 1)

    def forward(self, x):
        y = self.conv2(self.prelu(self.conv1(x)))
        w = F.adaptive_avg_pool2d(y, 1)
        w = self.excite(F.relu(self.squeeze(w))).sigmoid()
        return x + y * w


class ShuffleSR(nn.Module):
    def __init__(self, scale=2, n_feats=16, n_blocks=2):
        super().__init__()
        self.scale = scale
        self.head = nn.Conv2d(3, n_feats, 3, padding=1)
        self.body = nn.Sequential(*(SEResBlock(n_feats) for _ in range(n_blocks)))
        self.upsample = nn.Sequential(nn.Conv2d(n_feats, n_feats * scale**2, 3, padding=1), nn.PixelShuffle(scale), nn.PReLU())
        self.tail = nn.Conv2d(n_feats, 3, 3, padding=1)

    def forward(self, x):
        base = F.interpolate(x, scale_factor=self.scale, mode="bicubic", align_corners=False)
        h = self.head(x)
        return self.tail(self.upsample(h + self.body(h))) + base
