"""Pictures as the pixel metrics compare them: 8-bit values, in colour or as luma, without a border."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from autogc.config.experiment import PixelsConfig
from autogc.errors import MetricError

PEAK = 255.0
# ITU-R BT.601: luma of 8-bit R, G, B, in 16..235 (as MATLAB's rgb2ycbcr and the super-resolution papers).
LUMA, LUMA_OFFSET = (65.481 / 255, 128.553 / 255, 24.966 / 255), 16.0


def compared(pictures: Tensor, target: Tensor, config: PixelsConfig, *, least: int = 1) -> tuple[Tensor, Tensor]:
    """Return pictures and targets (N, C, H, W) in [-1, 1] as float64 in 0..255 (N, C or 1, H - 2 border, W - 2 border).

    ``y`` is the luma of three channels; a picture of one channel is compared as it is. Raises ``MetricError`` for pictures with a side of
    less than ``least`` pixels inside the border.
    """
    if pictures.shape != target.shape:
        raise MetricError(f"pictures {tuple(pictures.shape)} against targets {tuple(target.shape)}")
    border, size = config.border, tuple(pictures.shape[-2:])
    if min(size) - 2 * border < least:
        raise MetricError(
            f"pictures of {size[0]} x {size[1]} without a border of {border} are smaller than the {least} x {least} that this needs: "
            "lower scores.pixels.border"
        )
    first, second = (_values(values[..., border : size[0] - border, border : size[1] - border], config) for values in (pictures, target))
    return first, second


def _values(pictures: Tensor, config: PixelsConfig) -> Tensor:
    values = pictures.double().add(1).mul(PEAK / 2).round()
    if config.channel == "rgb" or values.shape[1] == 1:
        return values
    weights = torch.tensor(LUMA, dtype=values.dtype, device=values.device).view(1, 3, 1, 1)
    return (values * weights).sum(1, keepdim=True) + LUMA_OFFSET


def coloured(pictures: Tensor) -> Tensor:
    """Return pictures (N, 1 or 3, H, W) with three channels, grey repeated, as judging networks want them."""
    return pictures.expand(-1, 3, -1, -1) if pictures.shape[1] == 1 else pictures


def bicubic(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Return pictures (N, C, h, w) in [-1, 1] enlarged to ``size``: what super-resolution is measured against.

    Keys' kernel with a = -1/2, as MATLAB's imresize and Pillow have it; PyTorch takes that one only with ``antialias``, which does nothing
    else to a picture that becomes larger.
    """
    return functional.interpolate(pictures, size, mode="bicubic", align_corners=False, antialias=True).clamp(-1, 1)


def described(config: PixelsConfig) -> str:
    """Return the protocol in words."""
    channel = "luma (Y of BT.601)" if config.channel == "y" else "all channels"
    border = f", without a border of {config.border} pixels" if config.border else ""
    return f"{channel} of 8-bit pictures{border}, the mean over pictures"
