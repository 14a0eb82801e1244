"""Refusing arguments of builders that cannot work, in words that say what would."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor

from autogc.errors import ConfigError


def one_of(argument: str, value: object, valid: Collection[str]) -> None:
    """Raise ConfigError unless ``value`` is one of the ``valid`` names."""
    if value not in valid:
        raise ConfigError(f"{argument} must be one of {', '.join(sorted(valid))}, got {value!r}")


def sides_divisible(what: str, images: Tensor, by: int) -> None:
    """Raise ConfigError unless ``by`` divides both sides of images (N, C, H, W)."""
    height, width = images.shape[-2:]
    if height % by or width % by:
        raise ConfigError(f"{what} needs images whose sides are multiples of {by}, got {height}x{width}")


def same_size(what: str, size: int, height: int | None, width: int | None) -> None:
    """Raise ConfigError where the dataset's images are known to have another size than the square ones that ``what`` is for."""
    if (height is not None and height != size) or (width is not None and width != size):
        raise ConfigError(f"{what} is built for {size}x{size} images (argument size), and the dataset's are {height}x{width}")
