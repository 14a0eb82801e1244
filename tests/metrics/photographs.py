"""Real photographs that come with scikit-image, so that every machine that tests has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage
import torch
from PIL import Image
from torch import Tensor

# A cat's face; a cup of coffee from above; a parked motorcycle; a rocket at a launch tower; an astronaut.
NAMES = ("chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "astronaut.png")


def pixels(name: str) -> np.ndarray:
    """Return the image, uint8 (H, W, 3)."""
    return np.asarray(Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB"))


def signed(values: np.ndarray) -> Tensor:
    """Return pixels (H, W, 3) as an image (1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(values.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def photograph(name: str) -> Tensor:
    return signed(pixels(name))


def patches(count: int, size: int = 96) -> Tensor:
    """Return ``count`` squares cut out of the photographs at fixed random places, in turn, (count, 3, size, size) in [-1, 1]."""
    draws = np.random.default_rng(0)
    found = []
    for index in range(count):
        whole = pixels(NAMES[index % len(NAMES)])
        top, left = (int(draws.integers(side - size + 1)) for side in whole.shape[:2])
        found.append(signed(whole[top : top + size, left : left + size]))
    return torch.cat(found)
