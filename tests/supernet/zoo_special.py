"""Small generators with attention, styles, unusual normalisation or computed weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """SAGAN: queries meet keys over their channels; the values' way back has a learned gate that starts closed."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.query, self.key, self.value = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 1), nn.Conv2d(8, 6, 1)
        self.out = nn.Conv2d(6, 8, 1)
        self.gate = nn.Parameter(torch.zeros(1))
        self.last = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.stem(x))
        q, k, v = self.query(y).flatten(2), self.key(y).flatten(2), self.value(y).flatten(2)
        weights = torch.softmax(q.transpose(1, 2) @ k, -1)
        attended = (v @ weights.transpose(1, 2)).view(len(x), -1, *x.shape[2:])
        return self.last(y + self.gate * self.out(attended))


class Transformer(nn.Module):
    """Attention with a literal number of heads and head size: queries, keys and values are left alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, 4)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 20), nn.GELU(), nn.Linear(20, 8))
        self.last = nn.ConvTranspose2d(8, 3, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x)
        h, w = y.shape[2:]
        tokens = y.flatten(2).transpose(1, 2)
        z = self.norm(tokens)
        tokens = tokens + self.attention(z, z, z, need_weights=False)[0]
        tokens = tokens + self.mlp(tokens)
        return self.last(tokens.transpose(1, 2).unflatten(2, (h, w)))


class Styled(nn.Module):
    """A vector gives scale and shift (AdaIN), squeeze-and-excitation, noise with a learned strength a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 16))
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.InstanceNorm2d(8)
        self.strength = nn.Parameter(torch.zeros(1, 8, 1, 1))
        self.squeeze, self.excite = nn.Linear(8, 4), nn.Linear(4, 8)
        self.last = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        y = self.norm(self.stem(x))
        scale, shift = self.map(style)[:, :, None, None].chunk(2, 1)
        y = torch.relu(y * (1 + scale) + shift + self.strength * torch.randn_like(y[:, :1]))
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(y.mean((2, 3))))))
        return self.last(y * gate[:, :, None, None].expand_as(y))


class ChannelNorms(nn.Module):
    """GroupNorm, LayerNorm over the last axis, and PixelNorm by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.group = nn.Conv2d(3, 12, 3, padding=1), nn.GroupNorm(3, 12)
        self.b, self.layer = nn.Conv2d(12, 10, 3, padding=1), nn.LayerNorm(10)
        self.c = nn.Conv2d(10, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.group(self.a(x)))
        y = torch.relu(self.layer(self.b(y).permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        y = self.c(y)
        return self.last(y * torch.rsqrt((y * y).mean(1, keepdim=True) + 1e-8))


class AdaptiveLayerInstance(nn.Module):
    """U-GAT-IT: a learned mixture of instance and layer normalisation, with sample variances."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
        self.share = nn.Parameter(torch.full((1, 8, 1, 1), 0.9))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        single = (y - y.mean((2, 3), keepdim=True)) / torch.sqrt(y.var((2, 3), keepdim=True) + 1e-5)
        whole = (y - y.mean((1, 2, 3), keepdim=True)) / torch.sqrt(y.var((1, 2, 3), keepdim=True) + 1e-5)
        return self.last(torch.relu(self.share * single + (1 - self.share) * whole))


class WindowAttention(nn.Module):
    """Swin: windows cut by views, a table of position biases read through a buffer of indices."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
        self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.table = nn.Parameter(torch.randn(31, 2))
        self.register_buffer("index", torch.arange(16)[:, None] - torch.arange(16) + 15)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x).permute(0, 2, 3, 1)
        n, h, w, _ = y.shape
        windows = y.view(n, h // 4, 4, w // 4, 4, -1).permute(0, 1, 3, 2, 4, 5).reshape(n * h * w // 16, 16, -1)
        q, k, v = self.qkv(windows).reshape(len(windows), 16, 3, 2, 4).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-2, -1) / 2 + self.table[self.index].permute(2, 0, 1), -1)
        windows = windows + self.proj((weights @ v).transpose(1, 2).reshape(len(windows), 16, -1))
        y = windows.view(n, h // 4, w // 4, 4, 4, -1).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, -1)
        return self.last(y.permute(0, 3, 1, 2))


class Labelled(nn.Module):
    """StarGAN: a label as constant planes beside the image; blurred downsampling with a fixed kernel; resizing."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mid, self.last = nn.Conv2d(7, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(6, 3, 3, padding=1)
        self.register_buffer("kernel", torch.tensor([1.0, 2.0, 1.0])[:, None] * torch.tensor([1.0, 2.0, 1.0]) / 16)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        planes = label.view(len(label), -1, 1, 1).repeat(1, 1, *x.shape[2:])
        y = torch.relu(self.stem(torch.cat([x, planes], 1)))
        y = F.pad(y, (1, 1, 1, 1), mode="reflect")
        y = F.conv2d(y, self.kernel.expand(y.shape[1], 1, 3, 3), stride=2, groups=y.shape[1])
        y = F.interpolate(torch.relu(self.mid(y)), scale_factor=2, mode="bilinear")
        return self.last(F.avg_pool2d(F.interpolate(y, scale_factor=2), 2))


class Spectral(nn.Module):
    """Spectral norm: a slice has another largest singular value, so its channels must stay."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3, padding=1))
        self.b = nn.Conv2d(8, 6, 3, padding=1)
        self.last = nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.b(torch.relu(self.a(x)))))


class WeightNormed(nn.Module):
    """Weight normalisation: the norms of a narrower subnet are its own."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3, padding=1))
        self.b = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 6, 3, padding=1))
        self.last = nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.b(torch.relu(self.a(x)))))


class Spade(nn.Module):
    """GauGAN: normalisation whose scale and shift come from the label map, a vector seen as a picture, nearest resizing."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8, affine=False)
        self.shared = nn.Conv2d(3, 7, 3, padding=1)
        self.gamma, self.beta = nn.Conv2d(7, 8, 3, padding=1), nn.Conv2d(7, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, labels: Tensor) -> Tensor:
        y = F.interpolate(self.fc(F.interpolate(labels, size=(4, 4))), scale_factor=2)
        hidden = torch.relu(self.shared(F.interpolate(labels, size=y.shape[2:], mode="nearest")))
        y = self.norm(y) * (1 + self.gamma(hidden)) + self.beta(hidden)
        return torch.tanh(self.last(F.leaky_relu(y, 0.2)))


class Sorted(nn.Module):
    """An operator without a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.b(self.a(x).sort(1).values)))


class Modulated(nn.Module):
    """StyleGAN2: a learned constant, a convolution whose weight is modulated and demodulated, as a grouped one over the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(1, 8, 4, 4))
        self.affine = nn.Linear(5, 8)
        self.weight = nn.Parameter(torch.randn(6, 8, 3, 3))
        self.last = nn.Conv2d(6, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        weight = self.weight[None] * self.affine(z)[:, None, :, None, None]
        weight = weight * torch.rsqrt((weight * weight).sum((2, 3, 4), keepdim=True) + 1e-8)
        n, o, i = weight.shape[:3]
        x = self.constant.repeat(n, 1, 1, 1).reshape(1, n * i, 4, 4)
        y = F.conv2d(x, weight.reshape(n * o, i, 3, 3), padding=1, groups=n).reshape(n, o, 4, 4)
        return self.last(F.leaky_relu(y, 0.2))


class Standardized(nn.Module):
    """A weight that is scaled before use, and one that is standardised over its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1)
        self.last = nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(F.conv2d(x, self.a.weight * 0.3, self.a.bias, padding=1))
        flat = self.b.weight.flatten(1)
        weight = ((flat - flat.mean(1, keepdim=True)) / (flat.std(1, keepdim=True) + 1e-5)).view_as(self.b.weight)
        return self.last(torch.relu(F.conv2d(y, weight, self.b.bias, padding=1)))
