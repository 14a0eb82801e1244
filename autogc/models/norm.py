"""Normalisation layers by the names that experiment files use."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from autogc.models.arguments import one_of

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": lambda channels: nn.BatchNorm2d(channels),
    "instance": lambda channels: nn.InstanceNorm2d(channels),
    "none": lambda channels: nn.Identity(),
    # As early releases of pix2pix and CycleGAN: in evaluation the training's mean statistics take the place of the image's own.
    "instance_tracked": lambda channels: nn.InstanceNorm2d(channels, track_running_stats=True),
}


def norm_layer(kind: str, channels: int) -> nn.Module:
    """Return a normalisation of ``channels`` channels. Raises ConfigError for an unknown ``kind``."""
    one_of("norm", kind, NORMS)
    return NORMS[kind](channels)


def needs_bias(kind: str) -> bool:
    """Whether the convolution before has a bias: as published, unless the normalisation adds one of its own."""
    return kind != "batch"
