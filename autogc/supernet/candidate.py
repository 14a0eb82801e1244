"""A candidate: what one subnet keeps of the supernet, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from autogc.errors import CandidateError
from autogc.files import sha256_json

Value = int | float | str
FORMAT = 1


@dataclass(frozen=True, eq=False)
class Candidate:
    """Values by dimension and target, such as ``{"width": {"down2.conv": 64}, "weight_bits": {"head.conv": 8}}``.

    Targets are units for ``depth`` (``skip`` leaves one out), channel groups for ``width`` and ``filter_pruning``, layers
    (qualified names) for ``operator``, ``element_pruning``, ``weight_bits``, ``codebook``, and ``activation_bits``.
    What is not named has its dimension's neutral value (full width, dense, no pruning, 32 bits), and a
    neutral value that is named must be dropped by whoever builds the candidate, so that equal subnets have equal hashes.
    """

    choices: Mapping[str, Mapping[str, Value]]

    def __post_init__(self) -> None:
        frozen = {
            dimension: MappingProxyType(dict(sorted(targets.items()))) for dimension, targets in sorted(self.choices.items()) if targets
        }
        object.__setattr__(self, "choices", MappingProxyType(frozen))

    def get(self, dimension: str, target: str, neutral: Any = None) -> Any:
        """Return the value of ``dimension`` at ``target``, or ``neutral``."""
        return self.choices.get(dimension, {}).get(target, neutral)

    def to_json(self) -> dict[str, Any]:
        """Return the candidate as JSON-ready data, with the format's version."""
        return {"format": FORMAT, "choices": {name: dict(targets) for name, targets in self.choices.items()}}

    @classmethod
    def from_json(cls, data: Any) -> Candidate:
        """Read what ``to_json`` gave. Raises CandidateError on another format."""
        if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("choices"), dict):
            found = data.get("format") if isinstance(data, dict) else type(data).__name__
            raise CandidateError(f"not a candidate of format {FORMAT}: found {found!r}")
        return cls(data["choices"])

    @cached_property
    def hash(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
        return sha256_json(self.to_json())[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), ({name: dict(targets) for name, targets in self.choices.items()},))

    def __str__(self) -> str:
        return json.dumps(self.to_json()["choices"], sort_keys=True)
