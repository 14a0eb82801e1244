"""How far an image is from what it should be."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F


def reconstruction_l1(image: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference: GAN Compression, equation 1.

    Both are (N, C, H, W) in [-1, 1], so the value is in [0, 2]; lower is better. ``target`` is the real image of a paired set, or the
    teacher's image of an unpaired one. Raises ValueError when the shapes differ.
    """
    if image.shape != target.shape:
        raise ValueError(f"an image of shape {tuple(image.shape)} cannot be compared with a target of shape {tuple(target.shape)}")
    return F.l1_loss(image, target)


def reconstruction_mse(image: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference: SRGAN's content loss over pixels (Ledig et al., CVPR 2017, equation 4). As
    ``reconstruction_l1``."""
    if image.shape != target.shape:
        raise ValueError(f"an image of shape {tuple(image.shape)} cannot be compared with a target of shape {tuple(target.shape)}")
    return F.mse_loss(image, target)


def reconstruction(image: Tensor, target: Tensor, *, kind: Literal["l1", "mse"]) -> Tensor:
    """Return how far ``image`` is from ``target`` by one of the two."""
    return (reconstruction_l1 if kind == "l1" else reconstruction_mse)(image, target)
