"""Weights on disk: safetensors that autogc writes, and checkpoints that come from elsewhere."""

from __future__ import annotations

import pickle
import re
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from autogc.errors import CheckpointError
from autogc.files import replacing
from autogc.models.published import differences, translate
from autogc.progress import Progress, Silent

# What the unpickler stumbles over, beside its own errors, in a file that is no pickle.
UNREADABLE = (LookupError, AttributeError, TypeError, struct.error)
# Where files keep a state dict among other things; the averaged weights come first, which are those that their projects evaluate.
WRAPPERS = ("params_ema", "ema_state_dict", "state_dict", "model_state_dict", "params", "model")


def save_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a state dict as safetensors, whole or not at all."""
    with replacing(path) as beside:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, beside)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from ``.safetensors``, or from PyTorch's own format without running what it may contain.

    A file that wraps it as ``{"state_dict": ...}`` or by another of ``WRAPPERS`` is unwrapped. Raises CheckpointError when the file is
    absent, damaged, or no state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    try:
        found = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except (*UNREADABLE, SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise CheckpointError(f"the checkpoint {path} cannot be read as weights: {_reason(error)}") from error
    if isinstance(found, dict):
        found = next((found[name] for name in WRAPPERS if isinstance(found.get(name), dict) and found[name]), found)
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise CheckpointError(f"the checkpoint {path} holds no state dict (parameter names to tensors)")
    return dict(found)


def load_weights(module: nn.Module, path: str | Path, *, what: str, progress: Progress | None = None) -> None:
    """Load a checkpoint into ``module``: one of autogc's, or one that another project published (``docs/checkpoints.md``).

    ``what`` says in messages what the module is, such as ``the generator``. ``progress`` is told what was handled in a published one.
    Raises CheckpointError listing the names missing and unexpected, and shapes that differ, and what the checkpoint holds if that is known.
    """
    found = read_weights(path)
    if problems := differences(found, module.state_dict()):
        try:
            found, notes = translate(found, module)
        except CheckpointError as error:
            own = "; ".join(problems)
            raise CheckpointError(
                f"the checkpoint {path} does not fit {what} of this experiment: {error}; by our own names, {own}"
            ) from error
        for note in notes:
            (progress or Silent()).note(f"{path}: {note}")
    module.load_state_dict(found)


def with_prefix_removed(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with ``prefix``, without it: the state dict of one submodule."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _reason(error: Exception) -> str:
    """Return why a file could not be read; PyTorch's own words for a file with other objects advise to run what it contains."""
    text = str(error)
    if other := re.search(r"GLOBAL (\S+) was not an allowed global|Unsupported (?:global|class|operand) (\S+)", text):
        name = other.group(1) or other.group(2)
        return (
            f"it holds objects of other code ({name}), and autogc unpickles none; "
            "have the project that made it save the network's state_dict() alone"
        )
    return text.splitlines()[0] if text else type(error).__name__
