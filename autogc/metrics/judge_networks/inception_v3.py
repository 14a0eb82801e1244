"""Inception-v3 as FID's published weights need it (Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016).

Those weights come from the TensorFlow graph of 2015-12-05 that FID was defined with (Heusel et al., NeurIPS 2017), which differs from later
Inceptions: average pooling does not count padding, the last block pools the maximum where the paper pools the average, and there are 1008
classes. The modules bear the names that the weights have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, cat, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

Pool = Literal["average", "maximum", "halve"]
CLASSES = 1008
# Channels of the feature maps that FID can be taken over, with the modules that lead there from the one before. "pool" halves the size.
STAGES: dict[int, tuple[str, ...]] = {
    64: ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "pool"),
    192: ("Conv2d_3b_1x1", "Conv2d_4a_3x3", "pool"),
    768: ("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    2048: ("Mixed_7a", "Mixed_7b", "Mixed_7c"),
}


@dataclass(frozen=True)
class Step:
    """One convolution of a branch: outputs and kernel (height, width). One with a stride is not padded, the others keep the size."""

    name: str
    outputs: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1


# The steps of a branch follow each other; a tuple of steps is done side by side and concatenated.
Branch = tuple[Step | tuple[Step, ...], ...]


class ConvolutionNorm(nn.Module):
    """A convolution without a bias, batch normalisation, ReLU; ``fold`` makes it a convolution with a bias, and ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], *, stride: int = 1, padding: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(outputs, eps=1e-3)

    def fold(self) -> None:
        assert isinstance(self.bn, nn.BatchNorm2d)
        self.conv, self.bn = fuse_conv_bn_eval(self.conv, self.bn), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)), inplace=True)

    def after_average(self, x: Tensor) -> Tensor:
        """Return ``self(average of x's 3x3 windows)``: as good as the average of what a 1x1 convolution makes, in fewer channels."""
        averaged = functional.avg_pool2d(self.bn(self.conv(x)), 3, stride=1, padding=1, count_include_pad=False)
        return functional.relu(averaged, inplace=True)


class Mixed(nn.Module):
    """Branches side by side, concatenated: (N, inputs, H, W) to (N, outputs, H, W), or to half the size where the pooling halves.

    The last branch pools: windows' averages or maxima before a convolution ``branch_pool`` of ``pooled`` outputs, or a halving alone.
    """

    def __init__(self, inputs: int, branches: tuple[Branch, ...], *, pool: Pool, pooled: int = 0) -> None:
        super().__init__()
        self.branches, self.pool = branches, pool
        self.outputs = pooled if pool != "halve" else inputs
        for branch in branches:
            channels = inputs
            for step in branch:
                together = step if isinstance(step, tuple) else (step,)
                for one in together:
                    height, width = one.kernel
                    padding = (height // 2, width // 2) if one.stride == 1 else (0, 0)
                    self.add_module(one.name, ConvolutionNorm(channels, one.outputs, one.kernel, stride=one.stride, padding=padding))
                channels = sum(one.outputs for one in together)
            self.outputs += channels
        if pool != "halve":
            self.branch_pool = ConvolutionNorm(inputs, pooled, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return cat([*(self._branch(branch, x) for branch in self.branches), self._pool(x)], 1)

    def _branch(self, branch: Branch, x: Tensor) -> Tensor:
        for step in branch:
            x = cat([getattr(self, one.name)(x) for one in step], 1) if isinstance(step, tuple) else getattr(self, step.name)(x)
        return x

    def _pool(self, x: Tensor) -> Tensor:
        if self.pool == "halve":
            return functional.max_pool2d(x, 3, stride=2)
        if self.pool == "average":
            return self.branch_pool.after_average(x)
        return self.branch_pool(functional.max_pool2d(x, 3, stride=1, padding=1))


def _block_a(inputs: int, *, pooled: int) -> Mixed:
    five: Branch = (Step("branch5x5_1", 48), Step("branch5x5_2", 64, (5, 5)))
    three: Branch = (Step("branch3x3dbl_1", 64), Step("branch3x3dbl_2", 96, (3, 3)), Step("branch3x3dbl_3", 96, (3, 3)))
    return Mixed(inputs, ((Step("branch1x1", 64),), five, three), pool="average", pooled=pooled)


def _block_b(inputs: int) -> Mixed:
    double: Branch = (Step("branch3x3dbl_1", 64), Step("branch3x3dbl_2", 96, (3, 3)), Step("branch3x3dbl_3", 96, (3, 3), 2))
    return Mixed(inputs, ((Step("branch3x3", 384, (3, 3), 2),), double), pool="halve")


def _block_c(inputs: int, *, inner: int) -> Mixed:
    seven: Branch = (Step("branch7x7_1", inner), Step("branch7x7_2", inner, (1, 7)), Step("branch7x7_3", 192, (7, 1)))
    kernels = ((1, 1), (7, 1), (1, 7), (7, 1), (1, 7))
    double: Branch = tuple(Step(f"branch7x7dbl_{n}", inner if n < 5 else 192, kernel) for n, kernel in enumerate(kernels, start=1))
    return Mixed(inputs, ((Step("branch1x1", 192),), seven, double), pool="average", pooled=192)


def _block_d(inputs: int) -> Mixed:
    three: Branch = (Step("branch3x3_1", 192), Step("branch3x3_2", 320, (3, 3), 2))
    names = ("branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3")
    seven = tuple(Step(name, 192, kernel) for name, kernel in zip(names, ((1, 1), (1, 7), (7, 1)), strict=True))
    return Mixed(inputs, (three, (*seven, Step("branch7x7x3_4", 192, (3, 3), 2))), pool="halve")


def _block_e(inputs: int, *, pool: Pool) -> Mixed:
    three: Branch = (Step("branch3x3_1", 384), _fork("branch3x3_2"))
    double: Branch = (Step("branch3x3dbl_1", 448), Step("branch3x3dbl_2", 384, (3, 3)), _fork("branch3x3dbl_3"))
    return Mixed(inputs, ((Step("branch1x1", 320),), three, double), pool=pool, pooled=192)


def _fork(name: str) -> tuple[Step, Step]:
    return Step(f"{name}a", 384, (1, 3)), Step(f"{name}b", 384, (3, 1))


class InceptionV3(nn.Module):
    """Pictures (N, 3, 299, 299), about in [-1, 1], to feature maps and logits of 1008 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvolutionNorm(3, 32, (3, 3), stride=2)
        self.Conv2d_2a_3x3 = ConvolutionNorm(32, 32, (3, 3))
        self.Conv2d_2b_3x3 = ConvolutionNorm(32, 64, (3, 3), padding=(1, 1))
        self.Conv2d_3b_1x1 = ConvolutionNorm(64, 80, (1, 1))
        self.Conv2d_4a_3x3 = ConvolutionNorm(80, 192, (3, 3))
        self.Mixed_5b = _block_a(192, pooled=32)
        self.Mixed_5c = _block_a(256, pooled=64)
        self.Mixed_5d = _block_a(288, pooled=64)
        self.Mixed_6a = _block_b(288)
        self.Mixed_6b = _block_c(768, inner=128)
        self.Mixed_6c = _block_c(768, inner=160)
        self.Mixed_6d = _block_c(768, inner=160)
        self.Mixed_6e = _block_c(768, inner=192)
        self.Mixed_7a = _block_d(768)
        self.Mixed_7b = _block_e(1280, pool="average")
        self.Mixed_7c = _block_e(2048, pool="maximum")
        self.fc = nn.Linear(2048, CLASSES)

    def maps(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield each stage's channels and maps (N, channels, h, w) as they are computed; who stops asking stops the computation."""
        for channels, names in STAGES.items():
            for name in names:
                x = functional.max_pool2d(x, 3, stride=2) if name == "pool" else getattr(self, name)(x)
            yield channels, x

    def logits(self, pool3: Tensor) -> Tensor:
        """Return logits (N, 1008) of the last stage's means (N, 2048), without the bias, as the Inception Score's own code does."""
        return functional.linear(pool3, self.fc.weight)

    def fold(self) -> InceptionV3:
        """Make every batch normalisation part of its convolution, in place: the same network up to rounding, and quicker."""
        for module in self.modules():
            if isinstance(module, ConvolutionNorm):
                module.fold()
        return self
