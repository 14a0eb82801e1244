"""What weights start from, as the papers say. For ``Module.apply``."""

from __future__ import annotations

from torch import nn

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def initialize_normal(module: nn.Module) -> None:
    """Weights from N(0, 0.02), those of batch normalisation from N(1, 0.02), biases zero: DCGAN, pix2pix, CycleGAN."""
    if isinstance(module, CONVOLUTIONS):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    _initialize_batch_norm(module)


def initialize_xavier(module: nn.Module) -> None:
    """Weights from Glorot's normal distribution with gain 0.02, biases zero: SPADE (Park et al., section A)."""
    if isinstance(module, CONVOLUTIONS):
        nn.init.xavier_normal_(module.weight, gain=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    _initialize_batch_norm(module)


def _initialize_batch_norm(module: nn.Module) -> None:
    if isinstance(module, nn.BatchNorm2d) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
