"""A history of generated pictures for the discriminator (Shrivastava et al., CVPR 2017; CycleGAN keeps 50)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def add_pool(module: nn.Module, name: str, shape: tuple[int, ...]) -> None:
    """Give ``module`` an empty history of ``shape[0]`` pictures, as buffers: checkpoints hold it."""
    module.register_buffer(name, torch.zeros(shape))
    module.register_buffer(f"{name}_filled", torch.zeros((), dtype=torch.int64))


@torch.no_grad()
def draw(module: Any, name: str, pictures: Tensor) -> Tensor:
    """Return for each picture (N, C, H, W) itself or, half of the time once the history is full, one of before, whose place it takes.

    Without a history the pictures are returned. With several workers each has its own; after an interruption all go on with the first's.
    """
    if not hasattr(module, name):
        return pictures
    pool, filled = getattr(module, name), getattr(module, f"{name}_filled")
    drawn = []
    for picture in pictures:
        if int(filled) < len(pool):
            pool[int(filled)] = picture
            filled += 1
            drawn.append(picture)
            continue
        exchanged, place = torch.rand(()) < 0.5, int(torch.randint(len(pool), ()))
        drawn.append(pool[place].to(picture, copy=True) if exchanged else picture)
        if exchanged:
            pool[place] = picture
    return torch.stack(drawn)
