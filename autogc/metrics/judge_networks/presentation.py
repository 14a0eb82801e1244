"""How pictures are shown to a network that autogc knows nothing of: size, range, normalisation, as an experiment says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from autogc.errors import ConfigError, nearest

# What an interpolation is called in a file: the mode, and whether shrinking averages over all the pixels that it leaves out.
RESIZINGS = {
    "bilinear": ("bilinear", False),
    "bilinear_antialiased": ("bilinear", True),
    "bicubic": ("bicubic", False),
    "bicubic_antialiased": ("bicubic", True),
}
# Black and white as networks see them, before mean and deviation.
RANGES = {"unit": (0.0, 1.0), "signed": (-1.0, 1.0), "bytes": (0.0, 255.0)}


@dataclass(frozen=True)
class Presentation:
    """Pictures (N, 3, H, W) in [-1, 1] are resized to ``size`` (height, width; None: left as they are), clipped to what pixels can be,
    brought to ``range`` (``unit`` 0..1, ``signed`` -1..1, ``bytes`` 0..255), then normalised by each channel's ``mean`` and ``deviation``.
    """

    size: tuple[int, int] | None = None
    range: str = "unit"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    resizing: str = "bilinear"

    @classmethod
    def of(
        cls,
        network: str,
        *,
        size: int | Sequence[int] | None,
        range: str,
        mean: Sequence[float],
        deviation: Sequence[float],
        resizing: str,
    ) -> Presentation:
        """Return what a file's arguments mean; ``ConfigError`` names ``network`` and says all that they cannot."""
        problems = []
        sizes = (size, size) if isinstance(size, int) else tuple(size or ())
        if size is not None and (len(sizes) != 2 or not all(isinstance(side, int) and side > 0 for side in sizes)):
            problems.append(f"{network}: size is a number of pixels, or [height, width], got {size!r}")
        for name, value, valid in (("range", range, RANGES), ("resizing", resizing, RESIZINGS)):
            if value not in valid:
                problems.append(f"{network}: {name} cannot be {value!r}: {nearest(str(value), valid)}")
        for name, three in (("mean", mean), ("deviation", deviation)):
            numbers = isinstance(three, Sequence) and all(isinstance(one, int | float) and math.isfinite(one) for one in three)
            if not numbers or len(three) != 3 or (name == "deviation" and min(three) <= 0):
                above = " above 0" if name == "deviation" else ""
                problems.append(f"{network}: {name} is three numbers{above}, of red, green and blue, got {three!r}")
        if problems:
            raise ConfigError(problems)
        chosen = None if size is None else (sizes[0], sizes[1])
        return cls(chosen, range, (mean[0], mean[1], mean[2]), (deviation[0], deviation[1], deviation[2]), resizing)

    def __call__(self, images: Tensor) -> Tensor:
        images = images.float()
        if self.size is not None and tuple(images.shape[-2:]) != self.size:
            mode, antialias = RESIZINGS[self.resizing]
            images = functional.interpolate(images, self.size, mode=mode, align_corners=False, antialias=antialias).clamp(-1, 1)
        black, white = RANGES[self.range]
        images = (images + 1) * ((white - black) / 2) + black
        if (self.mean, self.deviation) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
            return images
        mean, deviation = (torch.tensor(three, device=images.device).view(1, 3, 1, 1) for three in (self.mean, self.deviation))
        return (images - mean) / deviation

    def __str__(self) -> str:
        size = (
            "at their own size" if self.size is None else f"resized to {self.size[1]}x{self.size[0]} ({self.resizing.replace('_', ', ')})"
        )
        normal = (
            "" if self.mean == (0.0, 0.0, 0.0) and self.deviation == (1.0, 1.0, 1.0) else f", mean {self.mean}, deviation {self.deviation}"
        )
        return f"pictures {size}, in {RANGES[self.range][0]:g}..{RANGES[self.range][1]:g}{normal}"
