"""Which weights of a converted generator can be compressed, and which of its convolutions can be decomposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from torch import nn

from autogc.errors import ConversionError, nearest
from autogc.supernet.groups import Discovery, WeightUse
from autogc.supernet.operators import ElasticConv2d

LAYER_TYPES = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)


@dataclass(frozen=True)
class Layers:
    """Layers that own a compressible weight, in execution order.

    ``holders`` are the qualified names of all modules that hold a layer's weight, its own first: other modules that share it, and other
    names of the same module. ``quantizable`` are the layers whose input can be read in fewer bits, ``unread`` says why of those that are
    not. ``fixed`` says of each other weight why it is not compressed.
    """

    names: tuple[str, ...]
    holders: Mapping[str, tuple[str, ...]]
    quantizable: tuple[str, ...]
    fixed: Mapping[str, str]
    unread: Mapping[str, str]

    @classmethod
    def of(cls, module: nn.Module, discovery: Discovery) -> Layers:
        """Tell layers from other owners of weights."""
        fixed = {use.tensor: reason for use in discovery.uses if (reason := _unfit(module, use)) is not None}
        uses = {use.layer: use for use in discovery.uses if use.tensor not in fixed}
        parts = list(module.named_modules(remove_duplicate=False))
        holders = {}
        for layer in uses:
            weight = module.get_submodule(layer).weight
            sharing = [name for name, part in parts if name != layer and part._parameters.get("weight") is weight]
            holders[layer] = (layer, *sharing)
        unread = {layer: reason for layer, use in uses.items() if (reason := _unreadable(module, use)) is not None}
        return cls(tuple(uses), holders, tuple(layer for layer in uses if layer not in unread), fixed, unread)


def _unfit(module: nn.Module, use: WeightUse) -> str | None:
    part = module.get_submodule(use.layer)
    if not isinstance(part, LAYER_TYPES):
        return f"it belongs to a {type(part).__name__}; weights of convolutions and linear layers can be compressed"
    if use.tensor != f"{use.layer}.weight" or use.tensor not in dict(module.named_parameters()):
        return "only a layer's own parameter 'weight' can be compressed"
    return None


def _unreadable(module: nn.Module, use: WeightUse) -> str | None:
    """Return why a layer's input can't be read in fewer bits; None where it can."""
    if not use.called:
        return "the generator's code takes its weight instead of calling it"
    parents = [module.get_submodule(use.layer[:place]) for place, character in enumerate(use.layer) if character == "."]
    if any(isinstance(parent, nn.TransformerEncoderLayer) for parent in parents):
        return "torch runs the whole transformer layer as one operator in evaluation"
    return None


def decomposable(module: nn.Module, discovery: Discovery, layers: Layers) -> dict[str, str | None]:
    """Return the dense convolutions with a kernel above 1x1, in execution order, with the reason why one can't be decomposed, or None."""
    found = [use for use in discovery.uses if _is_spatial(module.get_submodule(use.layer)) and use.tensor == f"{use.layer}.weight"]
    return {use.layer: _undecomposable(module, use, layers) for use in found}


def find_sites(patterns: Sequence[str], convolutions: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the ``decomposable`` convolutions that match any of ``patterns`` (fnmatch).

    Raises ConversionError where a pattern matches none that can be decomposed.
    """
    fit = [name for name, problem in convolutions.items() if problem is None]
    for pattern in patterns:
        matched = [name for name in convolutions if fnmatch(name, pattern)]
        if not any(name in fit for name in matched):
            why = "; ".join(f"{name}: {convolutions[name]}" for name in matched) or nearest(pattern, fit)
            raise ConversionError(f"supernet.decompose: {pattern!r} matches no dense convolution with a kernel above 1x1: {why}")
    return tuple(name for name in fit if any(fnmatch(name, pattern) for pattern in patterns))


def _is_spatial(part: nn.Module) -> bool:
    return isinstance(part, nn.Conv2d) and part.groups == 1 and max(part.kernel_size) > 1


def _undecomposable(module: nn.Module, use: WeightUse, layers: Layers) -> str | None:
    part = module.get_submodule(use.layer)
    holders = {id(module.get_submodule(name)) for name in layers.holders.get(use.layer, ())}
    if use.tensor in layers.fixed or type(part) is not nn.Conv2d:
        return f"a {type(part).__name__} may do more than a plain Conv2d, which is all that can be decomposed"
    if len(holders) > 1:
        return f"its weight is shared with {', '.join(layers.holders[use.layer][1:])}"
    if not use.called:
        return "the generator's code takes its weight instead of calling it"
    if part._forward_hooks or part._forward_pre_hooks:
        return "it has hooks of its own, which a replacement would lose"
    return None


def put_sites(module: nn.Module, sites: Sequence[str], layers: Layers) -> None:
    """Replace each site, under all its names, by a convolution that also has the separable operator."""
    for site in sites:
        conv = module.get_submodule(site)
        assert isinstance(conv, nn.Conv2d)
        elastic = ElasticConv2d.from_conv(conv)
        for name in layers.holders[site]:
            replace_module(module, name, elastic)


def replace_module(module: nn.Module, name: str, part: nn.Module) -> None:
    """Put ``part`` at a qualified name."""
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, part)
