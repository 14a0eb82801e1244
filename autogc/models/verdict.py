"""What a discriminator says of images, whatever it is built of."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Verdict(NamedTuple):
    """``logits``: realness at each scale, tensors of any shape (N, ...); higher is "more real".

    ``features`` are the outputs of the layers before them, a tuple a scale, (N, C, H, W) each, for feature matching; empty where the
    discriminator gives none. ``classes`` are logits (N, D) of the domains (StarGAN), or None.
    """

    logits: tuple[Tensor, ...]
    features: tuple[tuple[Tensor, ...], ...] = ()
    classes: Tensor | None = None


def as_verdict(output: Tensor | Verdict) -> Verdict:
    """Return what a discriminator gave as a verdict: a bare tensor is its realness logits."""
    return output if isinstance(output, Verdict) else Verdict((output,))
