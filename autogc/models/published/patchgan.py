"""PatchGAN and PixelGAN of pix2pix and CycleGAN's official code (``*_net_D.pth``), which GAN Compression has too."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from autogc.models.patchgan import PatchGAN, PixelDiscriminator
from autogc.models.published.imported import Imported, imports
from autogc.models.published.layout import Layout, channels_of, described, fit


@imports(PatchGAN)
def import_patchgan(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Read ``model.N``, which are our own names, without what old releases saved for instance normalisation."""
    convolutions = sum(tensor.ndim == 4 for tensor in found.values())
    size = described(
        in_channels=channels_of(found, "model.0.weight", 1),
        base_channels=channels_of(found, "model.0.weight", 0),
        layers=convolutions - 2,
        norm="batch" if "model.3.weight" in found else "instance",
    )
    modules = {name: name for name, _ in module.named_modules() if name.startswith("model.")}
    return fit(found, module, [Layout("the PatchGAN of pix2pix and CycleGAN", modules, size)])


@imports(PixelDiscriminator)
def import_pixel(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Read ``net.N``."""
    modules = {"net.0": "model.conv1", "net.2": "model.conv2", "net.3": "model.norm", "net.5": "model.conv3"}
    size = described(
        in_channels=channels_of(found, "net.0.weight", 1),
        base_channels=channels_of(found, "net.0.weight", 0),
        norm="batch" if "net.3.weight" in found else "instance",
    )
    return fit(found, module, [Layout("the pixel discriminator of pix2pix and CycleGAN", modules, size)])
