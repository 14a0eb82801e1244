"""Random numbers as functions of names, so that an interrupted training and an uninterrupted one draw the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from autogc.files import sha256_json


def derived_seed(*parts: int | str) -> int:
    """Return a seed in [0, 2**63) that depends on every part and their order."""
    return int(sha256_json(list(parts))[:16], 16) >> 1


@contextmanager
def seeded(*parts: int | str, device: torch.device | None = None) -> Iterator[None]:
    """Draw from torch's generators as seeded with ``derived_seed(*parts)``; put them back as they were afterwards."""
    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derived_seed(*parts))
        yield
