"""What a student's intermediate features are asked to match."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def feature_distillation(maps: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Return the sum over layers of the mean squared difference: GAN Compression, equation 3.

    ``maps`` are the student's features after their learned 1x1 maps, ``teacher`` the teacher's; pairs of (N, C, H, W) of equal shape,
    lower is better. The norm is taken squared and averaged over the elements, so that a weight means the same at every resolution
    and width.
    No gradient reaches the teacher. Zero where no layer is distilled.

    Raises ValueError when the numbers of layers or their shapes differ.
    """
    if len(maps) != len(teacher):
        raise ValueError(f"{len(maps)} student layers cannot be distilled from {len(teacher)} teacher layers")
    for position, (mine, other) in enumerate(zip(maps, teacher, strict=True)):
        if mine.shape != other.shape:
            raise ValueError(
                f"distillation layer {position}: the mapped student has shape {tuple(mine.shape)}, the teacher {tuple(other.shape)}"
            )
    if not maps:
        return torch.zeros(())
    return torch.stack([F.mse_loss(mine, other.detach()) for mine, other in zip(maps, teacher, strict=True)]).sum()
