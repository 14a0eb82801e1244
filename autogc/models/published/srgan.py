"""SRGAN discriminators of two public implementations, by their authors' account names on GitHub."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from autogc.models.published.imported import Imported, imports
from autogc.models.published.layout import Layout, channels_of, described, fit
from autogc.models.srgan import SRGANDiscriminator

# The stages' convolutions; each is followed by its normalisation.
STAGES = (2, 5, 8, 11, 14, 17, 20)
# Dense layers that one implementation writes as 1x1 convolutions of a picture of one pixel.
POINTWISE = {"net.24": "dense1", "net.26": "dense2"}


@imports(SRGANDiscriminator)
def import_srgan(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Read leftthomas/SRGAN (``net.N``, our ``head: pool``) or Lornatang/SRGAN-PyTorch (``features.N``, our ``head: dense``)."""
    flat = {name: tensor.flatten(1) if name in {f"{place}.weight" for place in POINTWISE} else tensor for name, tensor in found.items()}
    layouts = []
    for label, trunk, dense, head in (
        ("the discriminator of leftthomas/SRGAN", "net", POINTWISE, "pool"),
        ("the discriminator of Lornatang/SRGAN-PyTorch", "features", {"classifier.0": "dense1", "classifier.2": "dense2"}, "dense"),
    ):
        modules = {f"{trunk}.0": "stem.conv", **dense}
        for index, number in enumerate(STAGES):
            modules |= {f"{trunk}.{number}": f"stages.{index}.conv", f"{trunk}.{number + 1}": f"stages.{index}.norm"}
        size = described(base_channels=channels_of(found, f"{trunk}.0.weight", 0), head=head)
        layouts.append(Layout(label, modules, size))
    return fit(flat, module, layouts)
