"""Spectral normalisation (Miyato et al., ICLR 2018): weights divided by their largest singular value."""

from __future__ import annotations

from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm


def spectral(convolution: nn.Conv2d, *, wanted: bool = True) -> nn.Conv2d:
    """Return ``convolution`` with its weight normalised at each use, where ``wanted``. Initialise the weight before."""
    if wanted:
        spectral_norm(convolution)
    return convolution


def fold_spectral_norm(module: nn.Module) -> int:
    """Replace, in place, each spectrally normalised weight by its present value; return how many there were.

    A subnet's weights have other singular values than the whole, so a generator is folded before it becomes a supernet. What it computes in
    evaluation stays the same, to the bit.
    """
    folded = 0
    for part in list(module.modules()):
        if isinstance(part, nn.Conv2d) and parametrize.is_parametrized(part, "weight"):
            training = part.training
            part.eval()  # In training, reading the weight would take another step towards its singular value.
            parametrize.remove_parametrizations(part, "weight")
            part.train(training)
            folded += 1
    return folded
