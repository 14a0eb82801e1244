"""The relative difference of two losses, from which self-supervised GAN compression is made."""

from __future__ import annotations

from torch import Tensor


def relative_difference(student: Tensor, teacher: Tensor, *, floor: float) -> Tensor:
    """Return ``|teacher - student| / |teacher|`` of two scalars: one item of Yu and Pool (2020), equations 7 and 8.

    The divisor is at least ``floor``: a hinge loss may be 0. No gradient reaches the teacher's.
    """
    fixed = teacher.detach()
    return (fixed - student).abs() / fixed.abs().clamp_min(floor)
