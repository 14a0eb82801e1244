"""Calling a module with other tensors than its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call


def second_names(module: nn.Module) -> dict[str, str]:
    """Return the tensors that several modules share: their names in all modules but the first, with the first one's name."""
    first: dict[int, str] = {}
    found: dict[str, str] = {}
    for path, part in module.named_modules():
        for leaf, tensor in [*part._parameters.items(), *part._buffers.items()]:
            name = f"{path}.{leaf}".lstrip(".")
            if tensor is not None and first.setdefault(id(tensor), name) != name:
                found[name] = first[id(tensor)]
    return found


def call(module: nn.Module, tensors: Mapping[str, Tensor], inputs: tuple[Any, ...], *, second: Mapping[str, str] | None = None) -> Any:
    """Run ``module`` with ``tensors`` (by first name, shared ones once) in the place of its own. ``second`` are its ``second_names``.

    torch's own tying swaps a module of two names twice, and leaves it with the wrong tensors.
    """
    second = second_names(module) if second is None else second
    everywhere = {**tensors, **{name: tensors[first] for name, first in second.items() if first in tensors}}
    return functional_call(module, everywhere, inputs, tie_weights=False)
