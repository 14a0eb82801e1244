"""Published weights: read from a PyTorch file without unpickling anything else, and checked against the network that they are for."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import nn

from autogc.errors import CheckpointError


def fill(network: nn.Module, path: Path, *, what: str) -> None:
    """Load a state dict into ``network``; raises ``CheckpointError``, saying ``what`` it should be, for a file that does not fit."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is not a PyTorch weights file ({error})") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds a {type(state).__name__}, not a state dict")
    expected = network.state_dict()
    # Counters that an old PyTorch did not write yet.
    missing = [name for name in expected if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in expected]
    shapes = [name for name in expected if name in state and tuple(state[name].shape) != tuple(expected[name].shape)]
    found = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    said = [f"{kind}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" for kind, names in found.items() if names]
    if said:
        raise CheckpointError(f"{path} does not fit {what}: {'; '.join(said)}")
    network.load_state_dict(state, strict=False)
