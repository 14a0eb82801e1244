"""Generators' features, compared as a discriminator sees them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from autogc.losses.terms.term import DISCRIMINATOR, FEATURES, TEACHER, TERMS, Seen, total, which


@TERMS.register("discriminator_cooperated")
class DiscriminatorCooperated:
    """The mean absolute difference of a discriminator's intermediate outputs when it is shown the two generators' features instead of
    images, summed over ``losses.distillation_layers`` and ``layers``: discriminator-cooperated distillation (Hu et al., CVPR 2023).

    The paper brings both generators' features to the discriminator's channels by learned 1x1 maps. Here the student's learned 1x1 maps to
    the teacher's channels come first, and from there both go through the same fixed map, drawn once: so the teacher's side can't learn to
    hide differences. ``layers`` and ``discriminator`` are as in ``discriminator_features``.
    """

    needs = frozenset({DISCRIMINATOR, FEATURES})

    def __init__(self, *, layers: Sequence[str] = (), discriminator: str = TEACHER) -> None:
        self.layers = tuple(layers)
        self.discriminator: str | None = which(discriminator)
        self._maps: dict[tuple[int, int], Tensor] = {}

    def __call__(self, seen: Seen) -> Tensor:
        assert self.discriminator is not None
        asked = seen.discriminators[self.discriminator]
        parts = []
        for mine, other in zip(seen.mapped, seen.teacher_features, strict=True):
            weight = self._map(asked.channels, other)
            with torch.no_grad():
                wanted = asked.maps(F.conv2d(other, weight), self.layers)
            shown = asked.maps(F.conv2d(mine, weight), self.layers)
            parts += [F.l1_loss(one, of_teacher) for one, of_teacher in zip(shown, wanted, strict=True)]
        return total(parts)

    def _map(self, channels: int, features: Tensor) -> Tensor:
        """The fixed map (channels, C, 1, 1), of orthonormal rows or columns: a function of its shape alone."""
        shape = (channels, features.shape[1])
        if shape not in self._maps or self._maps[shape].device != features.device:
            drawn = torch.randn(max(shape), min(shape), generator=torch.Generator().manual_seed(0))
            basis = torch.linalg.qr(drawn).Q
            self._maps[shape] = (basis if shape[0] >= shape[1] else basis.T)[..., None, None].to(features)
        return self._maps[shape]
