"""SPADE's generator (``latest_net_G.pth``), with and without spectral normalisation, and GAN Compression's, dense and decomposed."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from autogc.errors import CheckpointError
from autogc.models.published.imported import Imported, imports
from autogc.models.published.layout import SEPARABLE, Layout, channels_of, described, fit
from autogc.models.spade import SpadeGenerator

BLOCKS = {
    "head_0": "head",
    "G_middle_0": "middle1",
    "G_middle_1": "middle2",
    "up_0": "up1",
    "up_1": "up2",
    "up_2": "up3",
    "up_3": "up4",
    "up_4": "up5",
}
CONVOLUTIONS = {"conv_0": "conv1", "conv_1": "conv2", "conv_s": "conv_skip"}
MODULATIONS = {"norm_0": "norm1", "norm_1": "norm2", "norm_s": "norm_skip"}
INSIDE = {"param_free_norm": "norm", "mlp_shared.0": "shared.conv", "mlp_gamma": "gamma", "mlp_beta": "beta"}
INSIDE |= {f"mlp_{part}.{theirs}": f"{part}.{ours}" for part in ("gamma", "beta") for theirs, ours in SEPARABLE.items()}


@imports(SpadeGenerator)
def import_spade(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Read ``fc``, ``head_0`` ... ``up_4``, ``conv_img``. The upsampling of ``normal`` and ``more`` can't be told apart by a checkpoint."""
    if channels_of(found, "fc.weight", 2) is None and "fc.weight" in found:
        raise CheckpointError(
            "it holds a SPADE generator that starts from an encoder's style vector (use_vae: fc is a linear layer); "
            "autogc's starts from the label map, as those trained without use_vae"
        )
    modules = {"fc": "fc", "conv_img": "to_image"}
    for theirs, ours in BLOCKS.items():
        modules |= {f"{theirs}.{conv}": f"{ours}.{own}" for conv, own in CONVOLUTIONS.items()}
        modules |= {f"{theirs}.{norm}.{part}": f"{ours}.{MODULATIONS[norm]}.{INSIDE[part]}" for norm in MODULATIONS for part in INSIDE}
    decomposed = any(".mlp_gamma.conv." in name for name in found)
    label = "GAN Compression's decomposed SPADE generator (mobile_spade)" if decomposed else "SPADE's generator (spade)"
    return fit(found, module, [Layout(label, modules, _size(found))])


def _size(found: Mapping[str, Tensor]) -> str:
    widest = channels_of(found, "fc.weight", 0)
    return described(
        in_channels=channels_of(found, "fc.weight", 1),
        out_channels=channels_of(found, "conv_img.weight", 0),
        base_channels=None if widest is None else widest // 16,
        hidden_channels=channels_of(found, "head_0.norm_0.mlp_shared.0.weight", 0),
        upsampling="most" if any(name.startswith("up_4.") for name in found) else "normal or more",
        norm="batch" if "head_0.norm_0.param_free_norm.running_mean" in found else "instance",
        spectral_norm="true" if "head_0.conv_0.weight_orig" in found else "false",
    )
