"""Light and texture: how the sun's place colours a scene, and patterns made of exact arithmetic.

Only additions, multiplications, divisions, roots and floors are used, which IEEE 754 rounds alike everywhere; sines and powers are not, and
would let the same seed draw another picture on another machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

Colour = tuple[float, float, float]


def rgb(red: float, green: float, blue: float) -> np.ndarray:
    """Return a colour to compute with, float32 (3,)."""
    return np.array([red, green, blue], np.float32)


def wave(x: np.ndarray) -> np.ndarray:
    """Return a triangle wave of period 1 in 0..1, 0 at whole numbers."""
    return 2 * np.abs(x - np.floor(x + np.float32(0.5)))


def part(x: np.ndarray) -> np.ndarray:
    """Return the fractional part."""
    return x - np.floor(x)


def smoothstep(x: np.ndarray) -> np.ndarray:
    """Return a ramp from 0 (at 0 and below) to 1 (at 1 and above) without corners."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def mix(a: Colour, b: Colour, share: float) -> np.ndarray:
    """Return the colour ``share`` of the way from ``a`` to ``b``."""
    return np.asarray(a, np.float32) * (1 - share) + np.asarray(b, np.float32) * share


@dataclass(frozen=True)
class Light:
    """The light of a scene, all of it read off the sun's place: ``height`` 0 (setting) to 1 (noon), ``side`` -1 (left) to 1 (right)."""

    height: float
    side: float

    @cached_property
    def sun(self) -> np.ndarray:
        return mix((1.0, 0.62, 0.34), (1.0, 0.97, 0.88), self.height) * (0.65 + 0.35 * self.height)

    @cached_property
    def ambient(self) -> np.ndarray:
        return mix((0.30, 0.27, 0.40), (0.50, 0.55, 0.62), self.height)

    @cached_property
    def horizon(self) -> np.ndarray:
        return mix((0.98, 0.60, 0.36), (0.80, 0.89, 0.96), self.height)

    @cached_property
    def zenith(self) -> np.ndarray:
        return mix((0.27, 0.24, 0.46), (0.24, 0.50, 0.88), self.height)

    @cached_property
    def lamps_on(self) -> bool:
        """Whether windows and street lamps are lit."""
        return self.height < 0.35

    def falling_on(self, facing: float) -> np.ndarray:
        """Return the light on a surface: the left wall (``facing`` -1), the right wall (1), or what looks up or at the viewer (0)."""
        share = 0.45 if facing == 0 else 0.35 + 0.75 * max(0.0, -facing * self.side)
        if facing == 0:
            share += 0.3 * self.height
        return self.ambient + self.sun * share

    def haze(self, colour: np.ndarray, depth: np.ndarray | float) -> np.ndarray:
        """Return ``colour`` (..., 3) as it looks from ``depth`` metres away; ``depth`` broadcasts against all axes but the last."""
        if isinstance(depth, np.ndarray):
            veil = np.clip((depth - 10) / (depth + 60), 0, 1)[..., None]
            return colour * (1 - veil) + self.horizon * veil
        share = max(0.0, (depth - 10) / (depth + 60))
        return colour * (1 - share) + self.horizon * share if share else colour
