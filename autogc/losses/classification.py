"""What makes a generated image belong to the domain that was asked for."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def domain_classification(logits: Tensor, domains: Tensor, *, exclusive: bool = False) -> Tensor:
    """Return ``E[-log D_cls(c | x)]``: StarGAN (Choi et al., CVPR 2018), equation 2 for real images, 3 for generated ones.

    ``logits`` are (N, D), ``domains`` (N, D) of 0 and 1. Attributes that may be present together (CelebA's; the default) are D independent
    questions: binary cross entropy, summed over them. ``exclusive`` domains (RaFD's expressions), exactly one an image, are one
    question: cross entropy. Both are means over the images; lower is better. Raises ValueError when the shapes differ.
    """
    if logits.shape != domains.shape:
        raise ValueError(f"logits of shape {tuple(logits.shape)} cannot be compared with domains of shape {tuple(domains.shape)}")
    if exclusive:
        return F.cross_entropy(logits, domains.argmax(dim=1))
    return F.binary_cross_entropy_with_logits(logits, domains.to(logits), reduction="sum") / len(logits)
