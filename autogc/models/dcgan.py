"""DCGAN (Radford et al., ICLR 2016), layer for layer as PyTorch's example has it."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

from torch import Tensor, nn

from autogc.errors import ConfigError
from autogc.models.arguments import same_size
from autogc.models.initialization import initialize_normal
from autogc.models.registry import DISCRIMINATORS, GENERATORS

SMALLEST = 4


def _doublings(size: int) -> int:
    """How many times 4 doubles to ``size``. Raises ConfigError for a size that no doubling reaches."""
    doublings = (size // SMALLEST).bit_length() - 1
    if doublings < 1 or SMALLEST * 2**doublings != size:
        raise ConfigError(f"dcgan's size must be 8, 16, 32, 64, 128 or another power of two, got {size}")
    return doublings


@GENERATORS.register("dcgan")
class DCGANGenerator(nn.Module):
    """Noise to images: ``(N, in_channels, 1, 1)``, from N(0, 1), to ``(N, out_channels, size, size)`` in [-1, 1].

    Transposed convolutions with batch normalisation, without biases. Size 64, ``base_channels`` 64, 100 numbers in and 3 channels out is
    PyTorch's example, of 3,576,704 parameters.

    Parts, by name: ``project`` (to 4x4), ``ups.0`` ... (each doubles the size), ``head`` (the last doubling).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        base_channels: int = 64,
        size: int = 64,
        height: int | None = None,
        width: int | None = None,
    ) -> None:
        super().__init__()
        same_size("dcgan", size, height, width)
        widths = [base_channels * 2**power for power in reversed(range(_doublings(size)))]
        self.project = self._stage(nn.ConvTranspose2d(in_channels, widths[0], SMALLEST, bias=False))
        self.ups = nn.Sequential(
            *[self._stage(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)) for before, after in pairwise(widths)]
        )
        last = nn.ConvTranspose2d(widths[-1], out_channels, 4, stride=2, padding=1, bias=False)
        self.head = nn.Sequential(OrderedDict(conv=last, tanh=nn.Tanh()))
        self.apply(initialize_normal)

    @staticmethod
    def _stage(conv: nn.ConvTranspose2d) -> nn.Sequential:
        return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(conv.out_channels), relu=nn.ReLU(inplace=True)))

    def forward(self, noise: Tensor) -> Tensor:
        images: Tensor = self.head(self.ups(self.project(noise)))
        return images


@DISCRIMINATORS.register("dcgan")
class DCGANDiscriminator(nn.Module):
    """Classify whole images: ``(N, in_channels, size, size)`` to logits ``(N, 1, 1, 1)``; ``size`` is the dataset's where it is known.

    Stride-2 convolutions with batch normalisation but in the first and the last, without biases, LeakyReLU 0.2 (Radford et al., section 3).
    The published one ends in a sigmoid, which is in autogc's objectives.

    Parts, by name: ``stem``, ``downs.0`` ..., ``head``.
    """

    def __init__(
        self, in_channels: int, *, base_channels: int = 64, size: int | None = None, height: int | None = None, width: int | None = None
    ) -> None:
        super().__init__()
        size = size if size is not None else height if height is not None else 64
        same_size("dcgan", size, height, width)
        widths = [base_channels * 2**power for power in range(_doublings(size))]
        stem = nn.Conv2d(in_channels, widths[0], 4, stride=2, padding=1, bias=False)
        self.stem = nn.Sequential(OrderedDict(conv=stem, relu=nn.LeakyReLU(0.2, inplace=True)))
        self.downs = nn.Sequential(
            *[
                nn.Sequential(
                    OrderedDict(
                        conv=nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False),
                        norm=nn.BatchNorm2d(after),
                        relu=nn.LeakyReLU(0.2, inplace=True),
                    )
                )
                for before, after in pairwise(widths)
            ]
        )
        self.head = nn.Conv2d(widths[-1], 1, SMALLEST, bias=False)
        self.apply(initialize_normal)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.downs(self.stem(images)))
        return logits
