"""The checks by name. Each is a function of the command's settings: it returns what it found, in a line, and the numbers as data.

Everything is imported where it is used: which packages a machine lacks is one of the findings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from findings import Failed, Skipped, need

__all__ = ["CHECKS", "Failed", "Skipped"]

Found = tuple[str, dict[str, Any]]


def _check(module: str, function: str, *, needed: bool = True, training: bool = False, **arguments: Any) -> Callable[[Any], Found]:
    def run(settings: Mapping[str, Any]) -> Found:
        if needed:
            need(training=training)
        found: Found = getattr(import_module(module), function)(settings, **arguments)
        return found

    return run


CHECKS: dict[str, Callable[[Any], Found]] = {
    "device": _check("machine", "device", needed=False),
    "imports": _check("machine", "imports", needed=False),
    "subnets": _check("numerics", "subnets"),
    "train float32": _check("stages", "train", training=True, deepspeed={}),
    "train autocast": _check("stages", "train", training=True, deepspeed={"torch_autocast": {"enabled": True, "dtype": "bfloat16"}}),
    "train bf16": _check("stages", "train", training=True, deepspeed={"bf16": {"enabled": True}}),
    "resume": _check("stages", "resume", training=True),
    "scoring": _check("numerics", "scoring"),
    "latency": _check("numerics", "latency"),
    "peak memory": _check("numerics", "peak"),
    "real training": _check("stages", "real", training=True),
}
