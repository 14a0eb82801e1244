"""SRResNet and SRGAN generators of three public implementations, by their authors' account names on GitHub."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from autogc.errors import CheckpointError
from autogc.models.published.imported import Imported, imports
from autogc.models.published.layout import Layout, channels_of, count_of, described, fit
from autogc.models.srresnet import SRResnet

# The slope of the LeakyReLUs that one implementation has in the place of PReLUs, which are these with a slope that is learned.
LEAKY_SLOPE = 0.2


@imports(SRResnet)
def import_srresnet(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Read leftthomas/SRGAN, Lornatang/SRGAN-PyTorch or twtygqyy/pytorch-SRResNet.

    All see pictures in [0, 1]. The first ends in (tanh + 1) / 2, which is our ``output: tanh``; the others in pictures from 0 to 1 as they
    are, for which ``output: linear`` is needed: the last convolution is rescaled to [-1, 1].
    """
    if getattr(module, "residual", "none") != "none":
        raise CheckpointError("no published SRResNet is added to an enlargement of its input: set generator.args.residual: none")
    for recognise, read in _IMPLEMENTATIONS.items():
        if any(re.match(recognise, name) for name in found):
            return read(found, module)
    raise CheckpointError(
        "its names are not those of the SRResNet of leftthomas/SRGAN, Lornatang/SRGAN-PyTorch or twtygqyy/pytorch-SRResNet"
    )


def _leftthomas(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    label = "the generator of leftthomas/SRGAN"
    last = max((int(match.group(1)) for name in found if (match := re.match(r"block(\d+)\.", name))), default=0)
    trunk = f"block{last - 1}"
    if channels_of(found, f"{trunk}.1.weight", 0) == 1 and f"{trunk}.1.running_mean" not in found:
        raise CheckpointError(
            f"it holds an early release of {label}, in which {trunk} ends in a PReLU; a release where it is normalised works"
        )
    doublings = count_of(found, rf"block{last}\.\d+\.conv\.")
    modules = {
        "block1.0": "stem.conv",
        "block1.1": "stem.prelu",
        f"{trunk}.0": "trunk.conv",
        f"{trunk}.1": "trunk.norm",
        f"block{last}.{doublings}": "head.conv",
    }
    modules |= {f"block{last}.{index}.{part}": f"ups.{index}.{part}" for index in range(doublings) for part in ("conv", "prelu")}
    for index in range(last - 3):
        inside = {"conv1": "conv1", "bn1": "norm1", "prelu": "prelu", "conv2": "conv2", "bn2": "norm2"}
        modules |= {f"block{index + 2}.{theirs}": f"blocks.{index}.{ours}" for theirs, ours in inside.items()}
    size = described(base_channels=channels_of(found, "block1.0.weight", 0), blocks=last - 3, scale=2**doublings, output="tanh")
    imported = fit(found, module, [Layout(label, modules, size)])
    if _is_linear(module):
        raise CheckpointError(f"it holds {label}, which ends in tanh: set generator.args.output: tanh")
    return imported


def _lornatang(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    label = "the generator of Lornatang/SRGAN-PyTorch"
    prefix = "conv_block" if any(name.startswith("conv_block1.") for name in found) else "conv"
    blocks, doublings = count_of(found, r"trunk\.\d+\."), count_of(found, r"upsampling\.\d+\.")
    modules = {
        f"{prefix}1.0": "stem.conv",
        f"{prefix}1.1": "stem.prelu",
        f"{prefix}2.0": "trunk.conv",
        f"{prefix}2.1": "trunk.norm",
        f"{prefix}3": "head.conv",
    }
    inside = {"0": "conv1", "1": "norm1", "2": "prelu", "3": "conv2", "4": "norm2"}
    for index in range(blocks):
        modules |= {f"trunk.{index}.rcb.{theirs}": f"blocks.{index}.{ours}" for theirs, ours in inside.items()}
    for index in range(doublings):
        modules |= {
            f"upsampling.{index}.upsample_block.{number}": f"ups.{index}.{part}" for number, part in (("0", "conv"), ("2", "prelu"))
        }
    size = described(base_channels=channels_of(found, f"{prefix}1.0.weight", 0), blocks=blocks, scale=2**doublings, output="linear")
    return _rescaled(fit(found, module, [Layout(label, modules, size)]), module, label)


def _twtygqyy(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    label = "the network of twtygqyy/pytorch-SRResNet"
    blocks = count_of(found, r"residual\.\d+\.")
    modules = {"conv_input": "stem.conv", "conv_mid": "trunk.conv", "bn_mid": "trunk.norm", "conv_output": "head.conv"}
    modules |= {"upscale4x.0": "ups.0.conv", "upscale4x.3": "ups.1.conv"}
    for index in range(blocks):
        inside = {"conv1": "conv1", "bn1": "norm1", "conv2": "conv2", "bn2": "norm2"}
        modules |= {f"residual.{index}.{theirs}": f"blocks.{index}.{ours}" for theirs, ours in inside.items()}
    slopes = [name for name in module.state_dict() if name.endswith("prelu.weight")]
    constants = dict.fromkeys(slopes, (LEAKY_SLOPE, "slopes of its LeakyReLUs"))
    size = described(base_channels=channels_of(found, "conv_input.weight", 0), blocks=blocks, scale=4, output="linear")
    return _rescaled(fit(found, module, [Layout(label, modules, size, constants)]), module, label)


_IMPLEMENTATIONS: dict[str, Callable[[Mapping[str, Tensor], nn.Module], Imported]] = {
    r"block1\.0\.weight": _leftthomas,
    r"trunk\.\d+\.rcb\.": _lornatang,
    r"conv_input\.weight": _twtygqyy,
}


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module.get_submodule("head.output"), nn.Identity)


def _rescaled(imported: Imported, module: nn.Module, label: str) -> Imported:
    """Return the network with its last convolution giving 2 y - 1 where the published one gives y."""
    if not _is_linear(module):
        raise CheckpointError(f"it holds {label}, which does not end in tanh: set generator.args.output: linear")
    head = {"head.conv.weight": 2 * imported.tensors["head.conv.weight"], "head.conv.bias": 2 * imported.tensors["head.conv.bias"] - 1}
    note = "its pictures go from 0 to 1: head.conv is rescaled to give them from -1 to 1; values beyond are cut when a picture is saved"
    return Imported(imported.tensors | head, (*imported.notes, note))
