"""ResNet generators of pix2pix and CycleGAN's official code (``*_net_G.pth``), and GAN Compression's, which have the same names.

GAN Compression's decomposed generators ("mobile"), its supernets and its exported subnets have a depthwise and a pointwise convolution in
the place of each in the residual blocks. A supernet is its largest subnet: every other is made of first channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from torch import Tensor, nn

from autogc.errors import CheckpointError, ConfigError
from autogc.models.config_str import MULTIPLES, ChannelWidths, arguments_for
from autogc.models.published.imported import Imported, imports
from autogc.models.published.layout import SEPARABLE, Layout, channels_of, count_of, described, fit
from autogc.models.resnet import ResnetGenerator

# Where the residual blocks start, and the places of a block's layers without and with a dropout layer between the halves.
FIRST_BLOCK = 10
BLOCK_LAYERS = {
    "without": {"1": "conv1", "2": "norm1", "5": "conv2", "6": "norm2"},
    "with": {"1": "conv1", "2": "norm1", "6": "conv2", "7": "norm2"},
}


@imports(ResnetGenerator)
def import_resnet(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Read ``model.N.weight`` and ``model.N.conv_block.M.weight``, numbered with or without dropout layers, dense or decomposed.

    Into a generator that was built at the widths of a ``config_str``, a supernet is read by its first channels, as GAN Compression exports.
    """
    _refuse_zero_padding(found)
    blocks = count_of(found, r"model\.\d+\.conv_block\.")
    size = _size(found, blocks)
    modules = _outer_modules(blocks)
    # Where a dropout layer is, the padding before the second convolution is number 5, and has no tensors.
    numbering = "without" if any(".conv_block.5." in name for name in found) else "with"
    for index, (number, ours) in product(range(blocks), BLOCK_LAYERS[numbering].items()):
        place, own = f"model.{FIRST_BLOCK + index}.conv_block.{number}", f"blocks.{index}.{ours}"
        modules |= {place: own} | {f"{place}.{theirs}": f"{own}.{part}" for theirs, part in SEPARABLE.items()}
    layout = Layout(_label(found, numbering), modules, described(**size))
    assert isinstance(module, ResnetGenerator)
    if module.config_str is not None and "base_channels" in size:  # A file of other widths is a subnet itself: not to be cut.
        return fit(found, module, [layout], first_channels=f"the subnet {module.config_str} of a supernet, as GAN Compression exports it")
    return fit(found, module, [layout])


def _label(found: Mapping[str, Tensor], numbering: str) -> str:
    if any(".conv_block.1.conv." in name for name in found):
        return "GAN Compression's decomposed ResNet generator (mobile_resnet, decompose: [blocks])"
    return f"the ResNet generator of CycleGAN, pix2pix and GAN Compression (resnet), numbered {numbering} dropout"


def _outer_modules(blocks: int) -> dict[str, str]:
    """Return everything around ``blocks`` residual blocks: published module -> ours."""
    up = FIRST_BLOCK + blocks
    starts = {"stem": 1, "down1": 4, "down2": 7, "up1": up, "up2": up + 3}
    outer = {f"model.{number}": f"{part}.conv" for part, number in starts.items()}
    outer |= {f"model.{number + 1}": f"{part}.norm" for part, number in starts.items()}
    return outer | {f"model.{up + 7}": "head.conv"}


def _size(found: Mapping[str, Tensor], blocks: int) -> dict[str, object]:
    """Return what the checkpoint's shapes say in arguments of ours; with ``base_channels`` where all widths follow from it."""
    up = FIRST_BLOCK + blocks
    inner = [channels_of(found, f"model.{FIRST_BLOCK + index}.conv_block.1.conv.2.weight", 0) for index in range(blocks)]
    outer = {name: channels_of(found, f"model.{number}.weight", 0) for name, number in (("stem", 1), ("down1", 4), ("down2", 7))}
    outer |= {"up1": channels_of(found, f"model.{up}.weight", 1), "up2": channels_of(found, f"model.{up + 3}.weight", 1)}
    size: dict[str, object] = {
        "in_channels": channels_of(found, "model.1.weight", 1),
        "out_channels": channels_of(found, f"model.{up + 7}.weight", 0),
        "blocks": blocks,
        "norm": "batch" if "model.2.weight" in found else "instance",
    }
    base = outer["stem"]
    if base is not None and all(width == base * MULTIPLES[part] for part, width in outer.items()) and set(inner) <= {None, 4 * base}:
        return {"base_channels": base, **size}
    known = {part: width for part, width in outer.items() if width is not None}
    whole = tuple(width for width in inner if width is not None)
    if len(known) < len(outer) or len(whole) < blocks:
        return size
    try:
        return size | arguments_for(ChannelWidths(blocks=whole, **known))
    except ConfigError:
        return size | {"channels": [known["stem"], known["down1"], known["down2"], *whole, known["up1"], known["up2"]]}


def _refuse_zero_padding(found: Mapping[str, Tensor]) -> None:
    """Raise CheckpointError for residual blocks whose first layer is a convolution: they have no padding layers, so pad with zeros."""
    first = f"model.{FIRST_BLOCK}.conv_block.0"
    if any(name.startswith(f"{first}.") for name in found):
        raise CheckpointError(
            f"its residual blocks start with a convolution ({first}): they pad with zeros, and autogc's reflect; "
            "a release trained with padding_type 'reflect' works"
        )
