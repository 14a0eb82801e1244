"""How a check says that it can't run or that something is wrong, and what it asks of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

# Module, and the package that has it.
PACKAGES = {
    "torch": "torch",
    "numpy": "numpy",
    "safetensors": "safetensors",
    "pyarrow": "pyarrow",
    "fvcore": "fvcore",
    "pydantic": "pydantic",
    "yaml": "PyYAML",
    "PIL": "Pillow",
}
# What DeepSpeed imports at once, beside itself.
DEEPSPEED = {
    "deepspeed": "deepspeed",
    "hjson": "hjson",
    "msgpack": "msgpack",
    "cpuinfo": "py-cpuinfo",
    "einops": "einops",
    "psutil": "psutil",
    "tqdm": "tqdm",
    "packaging": "packaging",
}


class Skipped(Exception):
    """Why a check can't run here."""


class Failed(Exception):
    """What is wrong, in a line, with the numbers."""

    def __init__(self, why: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(why)
        self.details = dict(details or {})


def need(*, training: bool = False) -> None:
    """Raise Skipped with the packages that this machine lacks for a check."""
    wanted = PACKAGES | (DEEPSPEED if training else {})
    missing = [package for module, package in wanted.items() if find_spec(module) is None]
    if missing:
        what = "training runs under DeepSpeed, and there is no" if set(missing) <= set(DEEPSPEED.values()) else "there is no"
        raise Skipped(f"{what} {', '.join(missing)} here: carry it along as a wheel (--wheels DIR)")
