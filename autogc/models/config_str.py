"""GAN Compression's ``config_str``: the channels of a decomposed ResNet generator as eight numbers, or six.

Each number counts channels at the image's size: the first downsampling has twice as many as its number says, the residual blocks four
times. Eight are stem, first and second downsampling (with all that the residual blocks add to), the blocks' insides in thirds, first and
second upsampling (Li et al., CVPR 2020, section 3.2). Six have one number for the insides: of all blocks, or, in the subnets that the
paper's first release exported ("legacy"), of the first block of each third only, the others being as wide as what they add to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from autogc.errors import ConfigError
from autogc.models.norm import norm_layer
from autogc.models.resnet import ResnetGenerator

BLOCKS, THIRDS = 9, 3
A_THIRD = BLOCKS // THIRDS
# Of each part, how many channels a number stands for.
MULTIPLES = {"stem": 1, "down1": 2, "down2": 4, "blocks": 4, "up1": 2, "up2": 1}


@dataclass(frozen=True)
class ChannelWidths:
    """Channels of each part; ``down2`` of everything that the residual blocks add to, ``blocks`` inside of each block."""

    stem: int
    down1: int
    down2: int
    blocks: tuple[int, ...]
    up1: int
    up2: int

    @classmethod
    def parse(cls, config_str: str, *, legacy: bool = False) -> ChannelWidths:
        """Read eight or six numbers, ``16_16_32_16_32_32_16_16``. ``legacy`` is for those of the paper's first release.

        Raises ConfigError.
        """
        if not isinstance(config_str, str):
            raise ConfigError(f"config_str must be quoted, for YAML reads '16_16' as the number 1616; got {config_str!r}")
        parts = config_str.split("_")
        if len(parts) not in (6, 8) or not all(part.isdecimal() and int(part) > 0 for part in parts):
            raise ConfigError(
                f"config_str must be eight or six positive numbers joined by '_', such as 16_16_32_16_32_32_16_16; got {config_str!r}"
            )
        stem, down1, down2, *inner, up1, up2 = (int(part) for part in parts)
        thirds = inner * THIRDS if len(inner) == 1 else inner
        blocks = [down2 if legacy and index % A_THIRD else thirds[index // A_THIRD] for index in range(BLOCKS)]
        multiple = MULTIPLES
        return cls(
            stem=stem * multiple["stem"],
            down1=down1 * multiple["down1"],
            down2=down2 * multiple["down2"],
            blocks=tuple(width * multiple["blocks"] for width in blocks),
            up1=up1 * multiple["up1"],
            up2=up2 * multiple["up2"],
        )

    def __str__(self) -> str:
        """Return eight numbers. Raises ConfigError where they can't say these widths."""
        thirds = [self.blocks[index * A_THIRD : (index + 1) * A_THIRD] for index in range(THIRDS)]
        if len(self.blocks) != BLOCKS or any(len(set(third)) > 1 for third in thirds):
            raise ConfigError(f"eight numbers say the widths of {BLOCKS} blocks in thirds of one width each, not {list(self.blocks)}")
        widths = {"stem": [self.stem], "down1": [self.down1], "down2": [self.down2], "blocks": [third[0] for third in thirds]}
        widths |= {"up1": [self.up1], "up2": [self.up2]}
        for part, values in widths.items():
            if wrong := [value for value in values if value % MULTIPLES[part]]:
                raise ConfigError(f"eight numbers say multiples of {MULTIPLES[part]} channels at {part}, not {wrong[0]}")
        return "_".join(str(value // MULTIPLES[part]) for part, values in widths.items() for value in values)


def arguments_for(widths: ChannelWidths) -> dict[str, object]:
    """Return the arguments of ``mobile_resnet`` that make these widths. Raises ConfigError where none do."""
    try:
        return {"config_str": f'"{widths}"'}
    except ConfigError:
        text = str(replace(widths, blocks=tuple(widths.blocks[index - index % A_THIRD] for index in range(len(widths.blocks)))))
        if ChannelWidths.parse(text, legacy=True) != widths:
            raise
        return {"config_str": f'"{text}"', "legacy_config": "true"}


def narrow(generator: ResnetGenerator, config_str: str, *, norm: str, legacy: bool = False) -> None:
    """Replace, in place, every convolution and normalisation by one as wide as ``config_str`` says. Initialise the weights after.

    Raises ConfigError where the generator has other than nine blocks, or fewer channels than ``config_str`` asks for.
    """
    widths = ChannelWidths.parse(config_str, legacy=legacy)
    if len(generator.blocks) != len(widths.blocks):
        raise ConfigError(f"config_str is for {len(widths.blocks)} blocks, the generator has {len(generator.blocks)}")
    stages = {"stem": widths.stem, "down1": widths.down1, "down2": widths.down2, "up1": widths.up1, "up2": widths.up2}
    plan = [(f"{part}.conv", f"{part}.norm", width) for part, width in stages.items()]
    for index, inner in enumerate(widths.blocks):
        block = [
            (f"blocks.{index}.conv1", f"blocks.{index}.norm1", inner),
            (f"blocks.{index}.conv2", f"blocks.{index}.norm2", widths.down2),
        ]
        plan[3 + 2 * index : 3 + 2 * index] = block
    generator.config_str = config_str
    before = _convolution(generator, "stem.conv").in_channels
    for conv, normalisation, after in plan:
        full = _convolution(generator, conv)
        if after > full.out_channels:
            raise ConfigError(f"config_str {config_str} asks for {after} channels at {conv}, and base_channels gives {full.out_channels}")
        generator.set_submodule(conv, _resized(full, before, after))
        generator.set_submodule(normalisation, norm_layer(norm, after))
        before = after
    head = _convolution(generator, "head.conv")
    generator.set_submodule("head.conv", _resized(head, before, head.out_channels))


def _convolution(generator: nn.Module, name: str) -> nn.Conv2d | nn.ConvTranspose2d:
    conv = generator.get_submodule(name)
    assert isinstance(conv, nn.Conv2d | nn.ConvTranspose2d)
    return conv


def _resized(conv: nn.Conv2d | nn.ConvTranspose2d, before: int, after: int) -> nn.Module:
    settings: dict[str, Any] = {name: getattr(conv, name) for name in ("kernel_size", "stride", "padding")}
    if isinstance(conv, nn.ConvTranspose2d):
        settings["output_padding"] = conv.output_padding
    return type(conv)(before, after, bias=conv.bias is not None, **settings)
