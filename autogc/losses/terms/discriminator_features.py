"""What the discriminator notices in the student's image and in the teacher's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from autogc.losses.terms.gram_style import gram_distance
from autogc.losses.terms.term import DISCRIMINATOR, TEACHER, TERMS, Seen, one_of, total, which


@TERMS.register("discriminator_features")
class DiscriminatorFeatures:
    """The mean absolute difference (``distance: l1``), or that of the Gram matrices (``gram``), of a discriminator's intermediate outputs
    for the student's image and for the teacher's, summed over ``layers``: the perceptual and the texture part of generator-discriminator
    cooperative compression (Li et al., NeurIPS 2021); with real images in place of the teacher's, pix2pixHD's equation 4.

    ``layers`` name modules of the discriminator; by default the features of its verdict, or all its activations. ``discriminator`` is the
    ``teacher``'s, as trained, or the ``current`` one, which goes on learning beside the student.
    """

    needs = frozenset({DISCRIMINATOR})

    def __init__(self, *, layers: Sequence[str] = (), distance: str = "l1", discriminator: str = TEACHER) -> None:
        self.layers = tuple(layers)
        self.distance = one_of("distance", distance, ("l1", "gram"))
        self.discriminator: str | None = which(discriminator)

    def __call__(self, seen: Seen) -> Tensor:
        assert self.discriminator is not None
        asked = seen.discriminators[self.discriminator]
        with torch.no_grad():
            wanted = asked.maps(asked.seen(seen.taught), self.layers)
        mine = asked.maps(asked.seen(seen.image), self.layers)
        if self.distance == "gram":
            return gram_distance(mine, wanted)
        return total([F.l1_loss(one, other) for one, other in zip(mine, wanted, strict=True)])
