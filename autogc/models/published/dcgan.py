"""The DCGAN of PyTorch's examples: ``netG_epoch_N.pth`` and ``netD_epoch_N.pth``."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from autogc.models.dcgan import SMALLEST, DCGANDiscriminator, DCGANGenerator
from autogc.models.published.imported import Imported, imports
from autogc.models.published.layout import Layout, channels_of, described, fit


def _convolutions(found: Mapping[str, Tensor]) -> int:
    return sum(tensor.ndim == 4 for tensor in found.values())


@imports(DCGANGenerator)
def import_generator(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Read ``main.N``: a transposed convolution, its normalisation, its activation, again and again; the last without normalisation."""
    count = _convolutions(found)
    last = f"main.{3 * (count - 1)}"
    modules = {"main.0": "project.conv", "main.1": "project.norm", last: "head.conv"}
    for index in range(1, count - 1):
        modules |= {f"main.{3 * index}": f"ups.{index - 1}.conv", f"main.{3 * index + 1}": f"ups.{index - 1}.norm"}
    size = described(
        in_channels=channels_of(found, "main.0.weight", 0),
        out_channels=channels_of(found, f"{last}.weight", 1),
        base_channels=channels_of(found, f"{last}.weight", 0),
        size=SMALLEST * 2 ** max(count - 1, 0),
    )
    return fit(found, module, [Layout("the generator of PyTorch's DCGAN example", modules, size)])


@imports(DCGANDiscriminator)
def import_discriminator(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Read ``main.N``: as the generator, but for the first convolution, which is not normalised either."""
    count = _convolutions(found)
    modules = {"main.0": "stem.conv", f"main.{3 * (count - 1) - 1}": "head"}
    for index in range(1, count - 1):
        modules |= {f"main.{3 * index - 1}": f"downs.{index - 1}.conv", f"main.{3 * index}": f"downs.{index - 1}.norm"}
    size = described(
        in_channels=channels_of(found, "main.0.weight", 1),
        base_channels=channels_of(found, "main.0.weight", 0),
        size=SMALLEST * 2 ** max(count - 1, 0),
    )
    return fit(found, module, [Layout("the discriminator of PyTorch's DCGAN example", modules, size)])
