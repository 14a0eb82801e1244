"""StarGAN's official generator and discriminator: ``N-G.ckpt`` and ``N-D.ckpt``."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from autogc.models.published.imported import Imported, imports
from autogc.models.published.layout import Layout, channels_of, count_of, described, fit
from autogc.models.stargan import StarGANDiscriminator, StarGANGenerator

FIRST_BLOCK = 9
INSIDE = {"0": "conv1", "1": "norm1", "3": "conv2", "4": "norm2"}


@imports(StarGANGenerator)
def import_generator(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Read ``main.N`` and ``main.N.main.M``."""
    blocks = count_of(found, r"main\.\d+\.main\.")
    up = FIRST_BLOCK + blocks
    modules = {f"main.{up + 6}": "head.conv"}
    for part, number in {"stem": 0, "down1": 3, "down2": 6, "up1": up, "up2": up + 3}.items():
        modules |= {f"main.{number}": f"{part}.conv", f"main.{number + 1}": f"{part}.norm"}
    for index in range(blocks):
        modules |= {f"main.{FIRST_BLOCK + index}.main.{number}": f"blocks.{index}.{name}" for number, name in INSIDE.items()}
    size = described(
        in_channels=channels_of(found, "main.0.weight", 1),
        out_channels=channels_of(found, f"main.{up + 6}.weight", 0),
        base_channels=channels_of(found, "main.0.weight", 0),
        blocks=blocks,
    )
    return fit(found, module, [Layout("StarGAN's generator", modules, size)])


@imports(StarGANDiscriminator)
def import_discriminator(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Read ``main.N``, every second of which is a convolution, and the heads ``conv1`` (source) and ``conv2`` (classes)."""
    layers = count_of(found, r"main\.\d+\.")
    modules = {"conv1": "realness", "conv2": "classes"} | {f"main.{2 * index}": f"layers.{index}.conv" for index in range(layers)}
    size = described(
        in_channels=channels_of(found, "main.0.weight", 1),
        base_channels=channels_of(found, "main.0.weight", 0),
        layers=layers,
        domains=channels_of(found, "conv2.weight", 0),
    )
    return fit(found, module, [Layout("StarGAN's discriminator", modules, size)])
