"""SPADE's multi-scale discriminator (``latest_net_D.pth``), which GAN Compression's GauGAN has too."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from autogc.models.multi_scale import MultiScaleDiscriminator
from autogc.models.published.imported import Imported, imports
from autogc.models.published.layout import Layout, channels_of, count_of, described, fit


@imports(MultiScaleDiscriminator)
def import_multi_scale(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Read ``discriminator_I.modelJ``: stage J of scale I, the last of which gives the logits."""
    scales = count_of(found, r"discriminator_\d+\.")
    last = max((int(match.group(1)) for name in found if (match := re.match(r"discriminator_\d+\.model(\d+)\.", name))), default=0)
    modules: dict[str, str] = {}
    for scale in range(scales):
        theirs, ours = f"discriminator_{scale}.model", f"scales.{scale}"
        modules |= {f"{theirs}0.0": f"{ours}.stages.0.conv", f"{theirs}{last}.0": f"{ours}.realness"}
        for stage in range(1, last):
            # The convolution alone, or together with its normalisation.
            modules |= {f"{theirs}{stage}.0{inner}": f"{ours}.stages.{stage}.conv" for inner in ("", ".0")}
            modules[f"{theirs}{stage}.0.1"] = f"{ours}.stages.{stage}.norm"
    size = described(
        in_channels=channels_of(found, "discriminator_0.model0.0.weight", 1),
        base_channels=channels_of(found, "discriminator_0.model0.0.weight", 0),
        layers=last - 1,
        scales=scales,
        spectral_norm="true" if any(name.endswith("weight_orig") for name in found) else "false",
    )
    return fit(found, module, [Layout("SPADE's multi-scale discriminator", modules, size)])
