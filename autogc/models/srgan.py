"""The discriminator of SRGAN (Ledig et al., CVPR 2017, figure 4)."""

from __future__ import annotations

from collections import OrderedDict
from itertools import product

from torch import Tensor, nn

from autogc.errors import ConfigError
from autogc.models.arguments import one_of
from autogc.models.registry import DISCRIMINATORS

HEADS = ("pool", "dense")
HIDDEN = 1024
HALVINGS = 4


@DISCRIMINATORS.register("srgan")
class SRGANDiscriminator(nn.Module):
    """Classify whole images, VGG-style: ``(N, in_channels, H, W)`` to logits ``(N, 1)``.

    Eight 3x3 convolutions of stride 1 and 2 in turn, batch normalisation but in the first, LeakyReLU 0.2, two dense layers. ``head``:
    ``pool`` (the default) averages over the picture before them and takes crops of any size; ``dense`` is the paper's own, for crops of
    ``height`` x ``width``, the dataset's, only. Weights start as PyTorch's layers do.

    Parts, by name: ``stem``, ``stages.0`` ... ``stages.6``, ``dense1``, ``dense2``.
    """

    def __init__(
        self, in_channels: int, *, base_channels: int = 64, head: str = "pool", height: int | None = None, width: int | None = None
    ) -> None:
        super().__init__()
        one_of("head", head, HEADS)
        c = base_channels
        stem = nn.Conv2d(in_channels, c, 3, padding=1)
        self.stem = nn.Sequential(OrderedDict(conv=stem, relu=nn.LeakyReLU(0.2)))
        plan = [(c * multiple, stride) for multiple, stride in product((1, 2, 4, 8), (1, 2))][1:]
        stages = []
        before = c
        for after, stride in plan:
            conv = nn.Conv2d(before, after, 3, stride=stride, padding=1)
            stages.append(nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(after), relu=nn.LeakyReLU(0.2))))
            before = after
        self.stages = nn.Sequential(*stages)
        self.size: tuple[int, int] | None = None
        if head == "dense":
            if height is None or width is None:
                raise ConfigError("srgan's dense head needs the height and width of its images; give them, or use head: pool")
            self.size = (-(-height // 2**HALVINGS), -(-width // 2**HALVINGS))
            before *= self.size[0] * self.size[1]
        self.dense1 = nn.Linear(before, HIDDEN)
        self.relu = nn.LeakyReLU(0.2)
        self.dense2 = nn.Linear(HIDDEN, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stages(self.stem(images))
        if self.size is None:
            x = x.mean((2, 3))
        elif tuple(x.shape[-2:]) != self.size:
            raise ConfigError(f"srgan's dense head was built for another size than {images.shape[2]}x{images.shape[3]}; use head: pool")
        logits: Tensor = self.dense2(self.relu(self.dense1(x.flatten(1))))
        return logits
