"""Networks as other projects publish them, written down once more for the tests: their modules' names, and what they compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Callable[[int], nn.Module]


def instance(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels)


def batch(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels)


def filled(network: nn.Module, *, seed: int = 0) -> nn.Module:
    """Give every parameter and running statistic a value of its own, large enough to tell layers apart, and return the network."""
    generator = torch.Generator().manual_seed(seed)
    norms = (nn.BatchNorm2d, nn.InstanceNorm2d)
    with torch.no_grad():
        for part in network.modules():
            for name, tensor in [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]:
                if name == "running_var" or (name == "weight" and isinstance(part, norms)):
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
                elif tensor.is_floating_point() and name not in ("weight_u", "weight_v"):
                    fan = tensor[0].numel() if tensor.ndim > 1 else 4
                    tensor.copy_(torch.randn(tensor.shape, generator=generator) / fan**0.5)
    return network.eval()


class SpectralConv(nn.Conv2d):
    """A convolution with the tensors that PyTorch's first spectral normalisation had."""

    def __init__(self, *args: int, **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]
        weight = self.weight.detach()
        del self._parameters["weight"]
        self.weight_orig = nn.Parameter(weight)
        self.register_buffer("weight_u", F.normalize(torch.randn(weight.shape[0]), dim=0))
        self.register_buffer("weight_v", F.normalize(torch.randn(weight[0].numel()), dim=0))

    def effective(self) -> Tensor:
        matrix = self.weight_orig.reshape(self.weight_orig.shape[0], -1)
        return self.weight_orig / (self.weight_u @ matrix @ self.weight_v)

    def settle(self) -> SpectralConv:
        """Bring the singular vectors to where training would have, some steps on."""
        with torch.no_grad():
            matrix = self.weight_orig.reshape(self.weight_orig.shape[0], -1)
            for _ in range(3):
                self.weight_v.copy_(F.normalize(matrix.T @ self.weight_u, dim=0))
                self.weight_u.copy_(F.normalize(matrix @ self.weight_v, dim=0))
        return self

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.effective(), self.bias, self.stride, self.padding)


class Separable(nn.Module):
    def __init__(self, before: int, after: int, padding: int = 0) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(before, before, 3, padding=padding, groups=before), nn.InstanceNorm2d(before), nn.Conv2d(before, after, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Residual(nn.Module):
    def __init__(self, width: int, inner: int, norm: Norm, *, dropout: bool, separable: bool, padded: bool) -> None:
        super().__init__()
        bias = norm is instance

        def conv(before: int, after: int) -> nn.Module:
            if separable:
                return Separable(before, after)
            return nn.Conv2d(before, after, 3, bias=bias, padding=0 if padded else 1)

        pad = [nn.ReflectionPad2d(1)] if padded else []
        layers = [*pad, conv(width, inner), norm(inner), nn.ReLU()] + ([nn.Dropout(0.5)] if dropout else [])
        self.conv_block = nn.Sequential(*layers, *pad, conv(inner, width), norm(width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Resnet(nn.Module):
    """``widths``: stem, down1, down2, the inside of each block, up1, up2."""

    def __init__(
        self,
        widths: Sequence[int],
        norm: Norm = instance,
        *,
        inputs: int = 3,
        dropout: bool = False,
        separable: bool = False,
        padded: bool = True,
    ) -> None:
        super().__init__()
        stem, down1, trunk, *inner, up1, up2 = widths
        bias = norm is instance
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, stem, 7, bias=bias), norm(stem), nn.ReLU()]
        for before, after in ((stem, down1), (down1, trunk)):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=bias), norm(after), nn.ReLU()]
        layers += [Residual(trunk, width, norm, dropout=dropout, separable=separable, padded=padded) for width in inner]
        for before, after in ((trunk, up1), (up1, up2)):
            layers += [nn.ConvTranspose2d(before, after, 3, 2, 1, 1, bias=bias), norm(after), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(up2, 3, 7), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def resnet(base: int, blocks: int, norm: Norm = instance, **settings: Any) -> Resnet:
    return Resnet([base, 2 * base, 4 * base, *[4 * base] * blocks, 2 * base, base], norm, **settings)


class UnetLevel(nn.Module):
    def __init__(self, outer: int, inner: int, inside: nn.Module | None, norm: Norm, *, first: int | None = None, dropout: bool) -> None:
        super().__init__()
        bias = norm is instance
        self.outermost = first is not None
        down = nn.Conv2d(outer if first is None else first, inner, 4, 2, 1, bias=bias)
        up_inputs = inner if inside is None else 2 * inner
        up = nn.ConvTranspose2d(up_inputs, outer, 4, 2, 1, bias=bias or self.outermost)
        if self.outermost:
            assert inside is not None
            layers = [down, inside, nn.ReLU(), up, nn.Tanh()]
        elif inside is None:
            layers = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, norm(outer)]
        else:
            layers = [nn.LeakyReLU(0.2), down, norm(inner), inside, nn.ReLU(), up, norm(outer)] + ([nn.Dropout(0.5)] if dropout else [])
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y = self.model(x)
        return y if self.outermost else torch.cat([x, y], 1)


class Unet(nn.Module):
    def __init__(self, base: int, downs: int, norm: Norm = batch, *, dropout: bool = True) -> None:
        super().__init__()
        widths = [base * min(2**level, 8) for level in range(downs)]
        level = UnetLevel(widths[-2], widths[-1], None, norm, dropout=False)
        for index in reversed(range(1, downs - 1)):
            level = UnetLevel(widths[index - 1], widths[index], level, norm, dropout=dropout and index >= 4)
        self.model = UnetLevel(3, widths[0], level, norm, first=3, dropout=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class SpadeNorm(nn.Module):
    def __init__(self, channels: int, labels: int, hidden: int, norm: Norm, *, separable: bool) -> None:
        super().__init__()
        self.param_free_norm = norm(channels)
        self.mlp_shared = nn.Sequential(nn.Conv2d(labels, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = Separable(hidden, channels, 1) if separable else nn.Conv2d(hidden, channels, 3, padding=1)
        self.mlp_beta = Separable(hidden, channels, 1) if separable else nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, segmap: Tensor) -> Tensor:
        hidden = self.mlp_shared(F.interpolate(segmap, size=x.shape[2:], mode="nearest"))
        return self.param_free_norm(x) * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)


class SpadeBlock(nn.Module):
    def __init__(self, before: int, after: int, labels: int, hidden: int, norm: Norm, conv: type[nn.Conv2d], *, separable: bool) -> None:
        super().__init__()
        middle = min(before, after)
        self.conv_0 = conv(before, middle, 3, padding=1)
        self.conv_1 = conv(middle, after, 3, padding=1)
        self.norm_0 = SpadeNorm(before, labels, hidden, norm, separable=separable)
        self.norm_1 = SpadeNorm(middle, labels, hidden, norm, separable=separable)
        if before != after:
            self.conv_s = conv(before, after, 1, bias=False)
            self.norm_s = SpadeNorm(before, labels, hidden, norm, separable=separable)

    def forward(self, x: Tensor, seg: Tensor) -> Tensor:
        shortcut = self.conv_s(self.norm_s(x, seg)) if hasattr(self, "conv_s") else x
        y = self.conv_0(F.leaky_relu(self.norm_0(x, seg), 0.2))
        return shortcut + self.conv_1(F.leaky_relu(self.norm_1(y, seg), 0.2))


class Spade(nn.Module):
    """Sees label maps of 0 and 1."""

    def __init__(
        self,
        labels: int,
        base: int,
        *,
        upsampling: str = "normal",
        norm: Norm = lambda channels: nn.BatchNorm2d(channels, affine=False),
        spectral: bool = True,
        hidden: int = 8,
        separable: bool = False,
    ) -> None:
        super().__init__()
        conv = SpectralConv if spectral else nn.Conv2d
        self.upsampling = upsampling
        self.fc = nn.Conv2d(labels, 16 * base, 3, padding=1)
        widths = {"head_0": (16, 16), "G_middle_0": (16, 16), "G_middle_1": (16, 16), "up_0": (16, 8), "up_1": (8, 4), "up_2": (4, 2)}
        widths["up_3"] = (2, 1)
        for name, (before, after) in widths.items():
            self.add_module(name, SpadeBlock(before * base, after * base, labels, hidden, norm, conv, separable=separable))
        if upsampling == "most":
            self.up_4 = SpadeBlock(base, base // 2, labels, hidden, norm, conv, separable=separable)
        self.conv_img = nn.Conv2d(base // 2 if upsampling == "most" else base, 3, 3, padding=1)

    def forward(self, seg: Tensor) -> Tensor:
        times = {"normal": 5, "more": 6, "most": 7}[self.upsampling]
        x = self.fc(F.interpolate(seg, size=(seg.shape[2] // 2**times, seg.shape[3] // 2**times)))
        x = self.G_middle_0(twice(self.head_0(x, seg)), seg)
        x = self.G_middle_1(x if self.upsampling == "normal" else twice(x), seg)
        for block in (self.up_0, self.up_1, self.up_2, self.up_3):
            x = block(twice(x), seg)
        if self.upsampling == "most":
            x = self.up_4(twice(x), seg)
        return torch.tanh(self.conv_img(F.leaky_relu(x, 0.2)))


def twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


class OneScale(nn.Module):
    def __init__(self, inputs: int, base: int, conv: type[nn.Conv2d]) -> None:
        super().__init__()
        self.model0 = nn.Sequential(nn.Conv2d(inputs, base, 4, 2, 2), nn.LeakyReLU(0.2))
        for index, stride in enumerate((2, 2, 1), start=1):
            before, after = base * 2 ** (index - 1), base * 2**index
            normalised = nn.Sequential(conv(before, after, 4, stride=stride, padding=2, bias=False), nn.InstanceNorm2d(after))
            self.add_module(f"model{index}", nn.Sequential(normalised, nn.LeakyReLU(0.2)))
        self.model4 = nn.Sequential(nn.Conv2d(8 * base, 1, 4, 1, 2))

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.children():
            x = stage(x)
        return x


class MultiScale(nn.Module):
    def __init__(self, inputs: int, base: int, *, spectral: bool = True) -> None:
        super().__init__()
        for index in range(2):
            self.add_module(f"discriminator_{index}", OneScale(inputs, base, SpectralConv if spectral else nn.Conv2d))

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for scale in self.children():
            found.append(scale(x))
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        return found


class Main(nn.Module):
    """A network that is one sequence, called ``main``, ``model`` or ``net``."""

    def __init__(self, name: str, *layers: nn.Module) -> None:
        super().__init__()
        self.add_module(name, nn.Sequential(*layers))
        self.sequence = name

    def forward(self, x: Tensor) -> Tensor:
        return self.get_submodule(self.sequence)(x)


def dcgan_generator(noise: int, base: int, images: int = 3) -> Main:
    layers: list[nn.Module] = [nn.ConvTranspose2d(noise, 8 * base, 4, 1, 0, bias=False), nn.BatchNorm2d(8 * base), nn.ReLU()]
    for before, after in pairwise((8 * base, 4 * base, 2 * base, base)):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return Main("main", *layers, nn.ConvTranspose2d(base, images, 4, 2, 1, bias=False), nn.Tanh())


def dcgan_discriminator(base: int) -> Main:
    layers: list[nn.Module] = [nn.Conv2d(3, base, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for before, after in pairwise((base, 2 * base, 4 * base, 8 * base)):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    return Main("main", *layers, nn.Conv2d(8 * base, 1, 4, 1, 0, bias=False))


class Tracked(nn.InstanceNorm2d):
    """StarGAN's normalisation keeps statistics; its code samples in training mode, so they are never used."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True, track_running_stats=True)

    def forward(self, x: Tensor) -> Tensor:
        return F.instance_norm(x, weight=self.weight, bias=self.bias)


class StarganResidual(Main):
    def __init__(self, width: int) -> None:
        halves = [[nn.Conv2d(width, width, 3, 1, 1, bias=False), Tracked(width)] for _ in range(2)]
        super().__init__("main", *halves[0], nn.ReLU(), *halves[1])

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def stargan_generator(domains: int, base: int, blocks: int) -> Main:
    layers: list[nn.Module] = [nn.Conv2d(3 + domains, base, 7, 1, 3, bias=False), Tracked(base), nn.ReLU()]
    for before, after in ((base, 2 * base), (2 * base, 4 * base)):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), Tracked(after), nn.ReLU()]
    layers += [StarganResidual(4 * base) for _ in range(blocks)]
    for before, after in ((4 * base, 2 * base), (2 * base, base)):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), Tracked(after), nn.ReLU()]
    return Main("main", *layers, nn.Conv2d(base, 3, 7, 1, 3, bias=False), nn.Tanh())


class StarganDiscriminator(nn.Module):
    def __init__(self, side: int, base: int, domains: int, layers: int) -> None:
        super().__init__()
        widths = [3, *[base * 2**index for index in range(layers)]]
        stages = [stage for before, after in pairwise(widths) for stage in (nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.01))]
        self.main = nn.Sequential(*stages)
        self.conv1 = nn.Conv2d(widths[-1], 1, 3, 1, 1, bias=False)
        self.conv2 = nn.Conv2d(widths[-1], domains, side // 2**layers, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.main(x)
        return self.conv1(y), self.conv2(y).flatten(1)


class LeftthomasResidual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(width)
        self.prelu = nn.PReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(x)))))


class LeftthomasUp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, 4 * width, 3, padding=1)
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.prelu(F.pixel_shuffle(self.conv(x), 2))


class Leftthomas(nn.Module):
    """Pictures in [0, 1] to pictures in [0, 1]."""

    def __init__(self, width: int, doublings: int, *, early: bool = False) -> None:
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.PReLU())
        for index in range(2, 7):
            self.add_module(f"block{index}", LeftthomasResidual(width))
        self.block7 = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.PReLU() if early else nn.BatchNorm2d(width))
        self.block8 = nn.Sequential(*[LeftthomasUp(width) for _ in range(doublings)], nn.Conv2d(width, 3, 9, padding=4))

    def forward(self, x: Tensor) -> Tensor:
        start = y = self.block1(x)
        for index in range(2, 8):
            y = self.get_submodule(f"block{index}")(y)
        return (torch.tanh(self.block8(start + y)) + 1) / 2


class LornatangResidual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        halves = [[nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)] for _ in range(2)]
        self.rcb = nn.Sequential(*halves[0], nn.PReLU(), *halves[1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.rcb(x)


class LornatangUp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.upsample_block = nn.Sequential(nn.Conv2d(width, 4 * width, 3, 1, 1), nn.PixelShuffle(2), nn.PReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.upsample_block(x)


class Lornatang(nn.Module):
    """Pictures in [0, 1] to pictures in [0, 1], before they are cut to that range."""

    def __init__(self, width: int, blocks: int, *, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix
        self.add_module(f"{prefix}1", nn.Sequential(nn.Conv2d(3, width, 9, 1, 4), nn.PReLU()))
        self.trunk = nn.Sequential(*[LornatangResidual(width) for _ in range(blocks)])
        self.add_module(f"{prefix}2", nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)))
        self.upsampling = nn.Sequential(LornatangUp(width), LornatangUp(width))
        self.add_module(f"{prefix}3", nn.Conv2d(width, 3, 9, 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = (self.get_submodule(f"{self.prefix}{number}") for number in (1, 2, 3))
        start = first(x)
        return third(self.upsampling(start + second(self.trunk(start))))


class TwtygqyyResidual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn2(self.conv2(F.leaky_relu(self.bn1(self.conv1(x)), 0.2)))


class Twtygqyy(nn.Module):
    """Pictures in [0, 1] to pictures in [0, 1], before they are cut to that range."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.conv_input = nn.Conv2d(3, width, 9, 1, 4, bias=False)
        self.residual = nn.Sequential(*[TwtygqyyResidual(width) for _ in range(blocks)])
        self.conv_mid = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn_mid = nn.BatchNorm2d(width)
        ups = [[nn.Conv2d(width, 4 * width, 3, 1, 1, bias=False), nn.PixelShuffle(2), nn.LeakyReLU(0.2)] for _ in range(2)]
        self.upscale4x = nn.Sequential(*ups[0], *ups[1])
        self.conv_output = nn.Conv2d(width, 3, 9, 1, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        start = F.leaky_relu(self.conv_input(x), 0.2)
        return self.conv_output(self.upscale4x(start + self.bn_mid(self.conv_mid(self.residual(start)))))


def patchgan(inputs: int, base: int, norm: Norm) -> Main:
    bias = norm is instance
    layers: list[nn.Module] = [nn.Conv2d(inputs, base, 4, 2, 1), nn.LeakyReLU(0.2)]
    for before, after, stride in ((base, 2 * base, 2), (2 * base, 4 * base, 2), (4 * base, 8 * base, 1)):
        layers += [nn.Conv2d(before, after, 4, stride, 1, bias=bias), norm(after), nn.LeakyReLU(0.2)]
    return Main("model", *layers, nn.Conv2d(8 * base, 1, 4, 1, 1))


def pixel(inputs: int, base: int, norm: Norm) -> Main:
    bias = norm is instance
    middle = [nn.Conv2d(base, 2 * base, 1, bias=bias), norm(2 * base), nn.LeakyReLU(0.2)]
    return Main("net", nn.Conv2d(inputs, base, 1), nn.LeakyReLU(0.2), *middle, nn.Conv2d(2 * base, 1, 1, bias=bias))


def srgan_stages(base: int, *, bias: bool) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(3, base, 3, 1, 1), nn.LeakyReLU(0.2)]
    widths = [base, base, 2 * base, 2 * base, 4 * base, 4 * base, 8 * base, 8 * base]
    for index, (before, after) in enumerate(pairwise(widths)):
        layers += [nn.Conv2d(before, after, 3, 1 + (index + 1) % 2, 1, bias=bias), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    return layers


def leftthomas_discriminator(base: int) -> Main:
    last = [nn.AdaptiveAvgPool2d(1), nn.Conv2d(8 * base, 1024, 1), nn.LeakyReLU(0.2), nn.Conv2d(1024, 1, 1), nn.Flatten()]
    return Main("net", *srgan_stages(base, bias=True), *last)


class LornatangDiscriminator(nn.Module):
    def __init__(self, base: int, side: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*srgan_stages(base, bias=False))
        self.classifier = nn.Sequential(nn.Linear(8 * base * (side // 16) ** 2, 1024), nn.LeakyReLU(0.2), nn.Linear(1024, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))
