"""Weights on disk: safetensors that autogc writes, and checkpoints that come from elsewhere."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from autogc.errors import CheckpointError
from autogc.files import replacing

# How many names a message lists before it counts the rest.
LISTED = 12
# What the unpickler stumbles over, beside its own errors, in a file that is no pickle.
UNREADABLE = (LookupError, AttributeError, TypeError, struct.error)


def save_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a state dict as safetensors, whole or not at all."""
    with replacing(path) as beside:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, beside)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from ``.safetensors``, or from PyTorch's own format without running what it may contain.

    A file that wraps it as ``{"state_dict": ...}`` is unwrapped. Raises CheckpointError when the file is absent, damaged, or no state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    try:
        found = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except (*UNREADABLE, SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"the checkpoint {path} cannot be read as weights: {reason}") from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise CheckpointError(f"the checkpoint {path} holds no state dict (parameter names to tensors)")
    return dict(found)


def load_weights(module: nn.Module, path: str | Path, *, what: str) -> None:
    """Load a checkpoint into ``module``. Raises CheckpointError listing the names missing and unexpected, and shapes that differ.

    ``what`` says in messages what the module is, such as ``the generator``.
    """
    found, own = read_weights(path), module.state_dict()
    problems = []
    if missing := [name for name in own if name not in found]:
        problems.append(f"missing: {_listed(missing)}")
    if unexpected := [name for name in found if name not in own]:
        problems.append(f"unexpected: {_listed(unexpected)}")
    shapes = [
        f"{name} is {tuple(found[name].shape)}, needed {tuple(own[name].shape)}"
        for name in own
        if name in found and found[name].shape != own[name].shape
    ]
    if shapes:
        problems.append(f"other shapes: {_listed(shapes)}")
    if problems:
        raise CheckpointError(f"the checkpoint {path} does not fit {what} of this experiment; " + "; ".join(problems))
    module.load_state_dict(found)


def with_prefix_removed(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with ``prefix``, without it: the state dict of one submodule."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
