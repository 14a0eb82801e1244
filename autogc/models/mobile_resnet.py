"""GAN Compression's teacher (Li et al., CVPR 2020, section 3.2): the ResNet generator with decomposed convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from autogc.errors import ConfigError, nearest
from autogc.models.config_str import narrow
from autogc.models.initialization import initialize_normal
from autogc.models.registry import GENERATORS
from autogc.models.resnet import ResnetGenerator
from autogc.models.separable import decompose_convolutions

# What ``decompose`` may name, in the words of the paper's table 4, and the parts of the generator that each one is.
PARTS = {"stem": ("stem",), "down": ("down1", "down2"), "blocks": ("blocks",), "up": ("up1", "up2"), "head": ("head",)}


@GENERATORS.register("mobile_resnet")
def mobile_resnet(
    in_channels: int,
    out_channels: int,
    *,
    base_channels: int = 64,
    blocks: int = 9,
    norm: str = "instance",
    dropout: float = 0.0,
    decompose: Sequence[str] = ("blocks",),
    config_str: str | None = None,
    legacy_config: bool = False,
) -> ResnetGenerator:
    """Return a ``resnet`` in whose parts named by ``decompose`` every convolution is a ``SeparableConvolution``, of the same name.

    ``decompose`` is any of ``stem``, ``down``, ``blocks``, ``up``, ``head``; the published teachers decompose the residual blocks. With
    ``base_channels`` 64, 9 blocks and 3 channels in and out that has 1,987,075 parameters (GAN Compression, table 4: 1.98 M).

    ``config_str`` (quoted: ``"16_16_32_16_32_32_16_16"``) narrows it to a subnet that GAN Compression exported, of at most
    ``base_channels``; ``legacy_config`` reads the numbers of its first release (``models.config_str`` says what they mean).
    Raises ConfigError for a part that is not there and for a ``config_str`` that does not fit.
    """
    wanted = [decompose] if isinstance(decompose, str) else list(decompose)
    if unknown := [name for name in wanted if name not in PARTS]:
        raise ConfigError([f"mobile_resnet cannot decompose {name!r}: {nearest(name, PARTS)}" for name in unknown])
    generator = ResnetGenerator(in_channels, out_channels, base_channels=base_channels, blocks=blocks, norm=norm, dropout=dropout)
    if config_str is not None:
        narrow(generator, config_str, norm=norm, legacy=legacy_config)
    elif legacy_config:
        raise ConfigError("legacy_config says how config_str is meant; give it one")
    for part in [part for name in wanted for part in PARTS[name]]:
        decompose_convolutions(generator, part)
    generator.apply(initialize_normal)
    return generator
