"""GAN Compression's GauGAN teacher (Li et al., CVPR 2020): the SPADE generator with decomposed modulation."""

from __future__ import annotations

from autogc.models.initialization import initialize_xavier
from autogc.models.registry import GENERATORS
from autogc.models.separable import decompose_convolutions
from autogc.models.spade import Spade, SpadeGenerator


@GENERATORS.register("mobile_spade")
def mobile_spade(
    in_channels: int,
    out_channels: int,
    *,
    base_channels: int = 64,
    upsampling: str = "normal",
    norm: str = "batch",
    spectral_norm: bool = True,
    hidden_channels: int | None = None,
) -> SpadeGenerator:
    """Return a ``spade`` whose convolutions from the hidden label features to scale and shift are each a ``SeparableConvolution``.

    ``hidden_channels`` are 2 ``base_channels`` where it is not said, as published.
    """
    generator = SpadeGenerator(
        in_channels,
        out_channels,
        base_channels=base_channels,
        upsampling=upsampling,
        norm=norm,
        spectral_norm=spectral_norm,
        hidden_channels=2 * base_channels if hidden_channels is None else hidden_channels,
    )
    for name in [name for name, module in generator.named_modules() if isinstance(module, Spade)]:
        for part in (f"{name}.gamma", f"{name}.beta"):
            decompose_convolutions(generator, part)
            generator.get_submodule(part).apply(initialize_xavier)
    return generator
