"""Spectral normalisation in checkpoints: how PyTorch's releases saved it, and what its weights amount to."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

ORIGINAL, LEFT, RIGHT = "weight_orig", "weight_u", "weight_v"
# What torch.nn.utils.parametrizations calls them, as modules of ours do.
PARAMETRIZED = {
    "parametrizations.weight.original": ORIGINAL,
    "parametrizations.weight.0._u": LEFT,
    "parametrizations.weight.0._v": RIGHT,
}


def in_old_names(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``found`` with parametrised weights under the names of torch.nn.utils.spectral_norm."""
    renamed = {}
    for name, tensor in found.items():
        for new, old in PARAMETRIZED.items():
            if name.endswith(f".{new}"):
                name = name.removesuffix(new) + old
        renamed[name] = tensor
    return renamed


def completed(leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a normalised weight with both its singular vectors, of which PyTorch before 1.1 saved the left one alone.

    The right one is scaled so that ``u W v`` is the singular value that the network was used with: that of the effective ``weight``
    where the file has it, or what one more step of the power iteration gives.
    """
    original, left = leaves[ORIGINAL], leaves[LEFT]
    if RIGHT in leaves:
        return {ORIGINAL: original, LEFT: left, RIGHT: leaves[RIGHT]}
    matrix = original.flatten(1)
    right = matrix.T @ left
    sigma = right.norm()
    if "weight" in leaves:
        effective = leaves["weight"]
        sigma = (original * effective).sum() / effective.square().sum()
    return {ORIGINAL: original, LEFT: left, RIGHT: right * (sigma / right.square().sum())}


def effective_weight(leaves: Mapping[str, Tensor]) -> Tensor:
    """Return the weight that the network computes with: the original over its singular value."""
    whole = completed(leaves)
    sigma = torch.dot(whole[LEFT], whole[ORIGINAL].flatten(1) @ whole[RIGHT])
    return whole[ORIGINAL] / sigma
