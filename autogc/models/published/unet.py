"""The U-Net generators of pix2pix's official code (``*_net_G.pth``): unet_256, unet_128 and any other depth."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from autogc.models.published.imported import Imported, imports
from autogc.models.published.layout import Layout, channels_of, described, fit
from autogc.models.unet import UNetGenerator

# Where a level's layers are, and the next level inwards, which is one of them.
OUTERMOST = {"down": "0", "inside": "1", "up": "3"}
MIDDLE = {"down": "1", "down_norm": "2", "inside": "3", "up": "5", "up_norm": "6"}
INNERMOST = {"down": "1", "up": "3", "up_norm": "4"}


@imports(UNetGenerator)
def import_unet(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Read ``model.model.1.model.3.model...``: each level is inside of the one before. Dropout layers change no number."""
    levels = sum(tensor.ndim == 4 for tensor in found.values()) // 2
    modules: dict[str, str] = {}
    place = "model"
    for level in range(levels):
        numbers = OUTERMOST if level == 0 else INNERMOST if level == levels - 1 else MIDDLE
        ours = {
            "down": f"downs.{level}.conv",
            "down_norm": f"downs.{level}.norm",
            "up": f"ups.{levels - 1 - level}.conv",
            "up_norm": f"ups.{levels - 1 - level}.norm",
        }
        modules |= {f"{place}.model.{numbers[layer]}": own for layer, own in ours.items() if layer in numbers}
        place = f"{place}.model.{numbers.get('inside')}"
    size = described(
        in_channels=channels_of(found, "model.model.0.weight", 1),
        out_channels=channels_of(found, "model.model.3.weight", 1),
        base_channels=channels_of(found, "model.model.0.weight", 0),
        downs=levels,
        norm="batch" if "model.model.1.model.2.weight" in found else "instance",
    )
    return fit(found, module, [Layout("pix2pix's U-Net generator", modules, size)])
