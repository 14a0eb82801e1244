"""Fresh weights for an exported subnet: what its architecture would start a training of its own from."""

from __future__ import annotations

import torch
from torch import nn

from autogc.errors import CheckpointError
from autogc.export import architecture as plan
from autogc.export.package import Package
from autogc.export.source import generator_of
from autogc.export.tensors import named_tensors
from autogc.supernet.operators import QuantizedInput


@torch.no_grad()
def draw_fresh(package: Package) -> nn.Module:
    """Give ``package.module`` fresh weights, drawn from torch's global generator, and return it.

    A whole generator (nothing narrower or replaced) gets the weights that its builder draws. In a subnet every layer that has
    ``reset_parameters`` draws its own, at its own size; parameters that a module of another type holds itself are those of a freshly built
    full generator, its first channels. No trained value stays. Raises CheckpointError for a tensor that can be drawn in neither way.
    """
    generator = generator_of(package.architecture["builder"], package.directory, trust_source=False, source=package.source)
    drawn = named_tensors(plan.fresh(generator))
    module = package.module
    own: set[str] = set()
    if package.architecture["modules"] or package.architecture["resized"]:
        for name, part in module.named_modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
                own |= {f"{name}.{leaf}".lstrip(".") for leaf in (*part._parameters, *part._buffers)}
    for name, tensor in named_tensors(module).items():
        if name in own:
            continue
        source = drawn.get(_name_in_full(module, name))
        if (
            source is None
            or source.ndim != tensor.ndim
            or any(mine > theirs for mine, theirs in zip(tensor.shape, source.shape, strict=True))
        ):
            raise CheckpointError(f"{package.directory}: no fresh values can be drawn for {name}: its module has no reset_parameters()")
        tensor.copy_(source[tuple(slice(0, length) for length in tensor.shape)])
    return module


def _name_in_full(module: nn.Module, name: str) -> str:
    """Return a tensor's name in the full generator, where no layer is wrapped to quantise what it is given."""
    parts, kept, part = name.split("."), [], module
    for place in parts[:-1]:
        if not (isinstance(part, QuantizedInput) and place == "layer"):
            kept.append(place)
        part = part.get_submodule(place)
    return ".".join([*kept, parts[-1]])
