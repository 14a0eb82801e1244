"""A module's tensors by name: all parameters and buffers, those outside of the state dict too."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from autogc.errors import CheckpointError


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return every parameter and buffer once, detached, in the order of their names: a module's own order is an accident of how it was
    built."""
    found = {name: tensor.detach() for named in (module.named_parameters(), module.named_buffers()) for name, tensor in named}
    return dict(sorted(found.items()))


def shared_names(module: nn.Module) -> dict[str, str]:
    """Return the other names of tensors that several modules share: alias -> the name in ``named_tensors``."""
    first: dict[int, str] = {}
    aliases: dict[str, str] = {}
    for named in (module.named_parameters(remove_duplicate=False), module.named_buffers(remove_duplicate=False)):
        for name, tensor in named:
            if first.setdefault(id(tensor), name) != name:
                aliases[name] = first[id(tensor)]
    return aliases


def assign(module: nn.Module, tensors: Mapping[str, Tensor], *, shared: Mapping[str, str], where: str) -> None:
    """Make ``tensors`` the module's own, strictly by name and shape.

    Raises CheckpointError with every missing and unexpected name and every shape that differs; ``where`` is named in it.
    """
    names = {**dict(module.named_parameters(remove_duplicate=False)), **dict(module.named_buffers(remove_duplicate=False))}
    own = {name: tensor for name, tensor in names.items() if name not in shared}
    problems = [f"missing {name!r}" for name in own if name not in tensors]
    problems += [f"unexpected {name!r}" for name in tensors if name not in own]
    problems += [
        f"{alias!r} shares {name!r}, which is not there" for alias, name in shared.items() if name not in own or alias not in names
    ]
    problems += [
        f"{name!r} has shape {tuple(tensors[name].shape)}, the architecture {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    if problems:
        raise CheckpointError(f"{where}: {'; '.join(problems)}")
    for name, tensor in tensors.items():
        # A copy lies at an address of torch's choice. Where a file left it, matrix products may round otherwise than the supernet's, and
        # quantised activations make steps of what was a last bit.
        _set(module, name, tensor.clone())
    for alias, name in shared.items():
        parent, _, leaf = name.rpartition(".")
        _set(module, alias, getattr(module.get_submodule(parent), leaf))


def resize(module: nn.Module, name: str, shape: tuple[int, ...]) -> None:
    """Give one tensor another shape; its values are to be assigned."""
    parent, _, leaf = name.rpartition(".")
    _set(module, name, torch.empty(shape, dtype=getattr(module.get_submodule(parent), leaf).dtype))


def _set(module: nn.Module, name: str, tensor: Tensor) -> None:
    parent, _, leaf = name.rpartition(".")
    owner = module.get_submodule(parent)
    if leaf in owner._parameters:
        if not isinstance(tensor, nn.Parameter):
            tensor = nn.Parameter(tensor, requires_grad=tensor.is_floating_point())
        owner._parameters[leaf] = tensor
    else:
        owner._buffers[leaf] = tensor
