"""A batch: what a generator is given and real pictures, as float tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass
class Batch:
    """``input`` float32 (N, Cin, h, w), what the generator is given, and ``target`` float32 (N, C, H, W) in [-1, 1], real pictures.

    Where they are paired, the target is what the input should become, and pixels correspond. ``labels`` int64 (N, H, W) or None;
    ``judged`` uint8 (N, H', W') or None, label maps of another size that are judged in their place.
    ``domains`` and ``wanted``, float32 (N, D) of 0 and 1 or None: what the target belongs to, and what the input asks for.
    """

    input: Tensor
    target: Tensor
    labels: Tensor | None
    names: list[str]
    domains: Tensor | None = None
    wanted: Tensor | None = None
    judged: Tensor | None = None

    @property
    def truth(self) -> Tensor | None:
        """The label maps that a segmenter's are compared with."""
        return self.labels if self.judged is None else self.judged

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with its tensors on ``device``."""
        return self._each(lambda tensor: tensor.to(device))

    def chunk(self, parts: int) -> list[Batch]:
        """Return the batch in ``parts`` equal parts."""
        share = len(self.input) // parts
        assert share * parts == len(self.input), "a batch is cut into equal parts"
        slices = [slice(part * share, (part + 1) * share) for part in range(parts)]
        return [replace(self._each(lambda tensor, one=one: tensor[one]), names=self.names[one]) for one in slices]  # type: ignore[misc]

    def flipped(self, which: Tensor) -> Batch:
        """Return the batch with the samples that the bool tensor ``which`` (N,) marks mirrored left to right."""

        def mirror(values: Tensor) -> Tensor:
            if values.ndim < 3:
                return values
            shape = (-1,) + (1,) * (values.ndim - 1)
            return torch.where(which.view(shape), values.flip(-1), values)

        return self._each(mirror)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        values = {name: getattr(self, name) for name in ("input", "target", "labels", "domains", "wanted", "judged")}
        changed: dict[str, Any] = {name: change(value) for name, value in values.items() if value is not None}
        return replace(self, **changed)
