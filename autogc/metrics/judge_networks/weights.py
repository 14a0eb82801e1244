"""Published weights: read from a PyTorch file without unpickling anything else, and checked against the network that they are for."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from autogc.errors import CheckpointError

# Counters that an old PyTorch did not write yet, and that no answer depends on.
COUNTER = "num_batches_tracked"


def fill(network: nn.Module, path: Path, *, what: str) -> None:
    """Load a state dict into ``network``; raises ``CheckpointError``, saying ``what`` it should be, for a file that does not fit."""
    network.load_state_dict(read_state(path, network, what=what), strict=False)


def read_state(path: Path, network: nn.Module, *, what: str) -> dict[str, Tensor]:
    """Return the state dict in a file (.safetensors, or PyTorch's own format), which has ``network``'s names and shapes.

    Raises ``CheckpointError``, naming the tensors that differ and saying ``what`` it should be, for a file that does not fit.
    """
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is not a PyTorch weights file ({error})") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds a {type(state).__name__}, not a state dict")
    expected = network.state_dict()
    missing = [name for name in expected if name not in state and not name.endswith(COUNTER)]
    unexpected = [name for name in state if name not in expected]
    shapes = [name for name in expected if name in state and tuple(getattr(state[name], "shape", ())) != tuple(expected[name].shape)]
    found = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    said = [f"{kind}: {', '.join(map(str, names[:5]))}{', ...' if len(names) > 5 else ''}" for kind, names in found.items() if names]
    if said:
        raise CheckpointError(f"{path} does not fit {what}: {'; '.join(said)}")
    return state
