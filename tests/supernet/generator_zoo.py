"""Small generators, each with patterns that a discovery of channel groups must get right or leave alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autogc.models import GENERATORS


@dataclass(frozen=True)
class Specimen:
    """A generator, its inputs, the sizes of the groups that it has, and those groups that only the trial run can rule out."""

    build: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    groups: dict[str, int]
    refuted: tuple[str, ...] = ()

    def inputs(self) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(0)
        return tuple(torch.randn(shape, generator=generator) for shape in self.shapes)


IMAGE = ((1, 3, 16, 16),)


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


ZOO: dict[str, Specimen] = {
    "resnet": Specimen(
        lambda: GENERATORS.build("resnet", {"base_channels": 8, "blocks": 2}, in_channels=3, out_channels=3),
        IMAGE,
        {"stem.conv": 8, "down1.conv": 16, "down2.conv": 32, "blocks.0.conv1": 32, "blocks.1.conv1": 32, "up1.conv": 16, "up2.conv": 8},
    ),
    "resnet_batch": Specimen(
        lambda: GENERATORS.build("resnet", {"base_channels": 8, "blocks": 1, "norm": "batch"}, in_channels=3, out_channels=3),
        IMAGE,
        {"stem.conv": 8, "down1.conv": 16, "down2.conv": 32, "blocks.0.conv1": 32, "up1.conv": 16, "up2.conv": 8},
    ),
    "unet": Specimen(UNet, IMAGE, {"down1": 6, "down2.1": 10, "middle.1": 12, "up2.1": 8}),
    "super_resolution": Specimen(SuperResolution, IMAGE, {"first.0": 8, "block.0": 10, "up.0": 6}),
    "shuffle_by_hand": Specimen(ShuffleByHand, IMAGE, {"conv": 6}),
    "mobile": Specimen(Mobile, IMAGE, {"stem": 8, "pointwise": 4, "grouped": 6, "grouped_up": 2}),
    "dcgan": Specimen(lambda: Dcgan(literal=False), ((1, 7),), {"linear": 12, "up": 6}),
    "dcgan_literal": Specimen(lambda: Dcgan(literal=True), ((1, 7),), {"linear": 12, "up": 6}, refuted=("linear",)),
    "flattening": Specimen(Flattening, IMAGE, {"conv": 6, "code": 10, "back": 5}),
    "gated": Specimen(Gated, IMAGE, {"glu": 8, "chunked": 6, "parted": 5, "parted#1": 5, "own": 5}, refuted=("parted",)),
    "channel_shuffle": Specimen(ChannelShuffle, IMAGE, {"a": 6, "b": 6}),
    "self_attention": Specimen(SelfAttention, IMAGE, {"stem": 8, "query": 4, "value": 6}),
    "transformer": Specimen(Transformer, IMAGE, {"embed": 8, "mlp.0": 20}, refuted=("embed",)),
    "shared_weights": Specimen(SharedWeights, IMAGE, {"stem": 8, "one": 6}),
    "image_and_features": Specimen(ImageAndFeatures, IMAGE, {"a": 6, "b": 7, "c": 5}),
    "styled": Specimen(Styled, ((1, 3, 16, 16), (1, 5)), {"map.0": 9, "stem": 8, "squeeze": 4}),
    "channel_norms": Specimen(ChannelNorms, IMAGE, {"a": 4, "b": 10, "c": 8}),
    "adaptive_layer_instance": Specimen(AdaptiveLayerInstance, IMAGE, {"conv": 8}),
    "window_attention": Specimen(WindowAttention, IMAGE, {"embed": 8, "qkv": 4}, refuted=("qkv",)),
    "labelled": Specimen(Labelled, ((1, 3, 16, 16), (1, 4)), {"stem": 8, "mid": 6}),
    "spectral": Specimen(Spectral, IMAGE, {"a.parametrizations.weight": 8, "b": 6}, refuted=("a.parametrizations.weight",)),
    "weight_normed": Specimen(WeightNormed, IMAGE, {"a.parametrizations.weight": 8, "b.parametrizations.weight": 6}),
    "spade": Specimen(Spade, IMAGE, {"fc": 8, "shared": 7}),
    "sorted": Specimen(Sorted, IMAGE, {"b": 6}),
    "modulated": Specimen(Modulated, ((1, 5),), {"affine": 8, "weight": 6}),
    "standardized": Specimen(Standardized, IMAGE, {"a": 8, "b": 6}, refuted=("a",)),
}
