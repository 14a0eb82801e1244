"""Spectral normalisation (Miyato et al., ICLR 2018): weights divided by their largest singular value."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


def spectral(convolution: nn.Conv2d, *, wanted: bool = True) -> nn.Conv2d:
    """Return ``convolution`` with its weight normalised at each use, where ``wanted``. Initialise the weight before."""
    if wanted:
        spectral_norm(convolution)
    return convolution
