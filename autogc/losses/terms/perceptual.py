"""The perceptual distance as a distillation term."""

from __future__ import annotations

from torch import Tensor

from autogc.losses.terms.term import PERCEPTUAL_NETWORK, TERMS, Seen


@TERMS.register("perceptual")
class Perceptual:
    """The distance in the features of ``losses.perceptual``: Johnson et al. (ECCV 2016), equation 2; OMGD's feature term (Ren et al., ICCV
    2021), weighted 10 there.

    ``perceptual_weight`` weighs the same distance against what the task says the image should be; as a term it can be ``against`` the
    teacher's image.
    """

    needs = frozenset({PERCEPTUAL_NETWORK})
    discriminator: str | None = None

    def __call__(self, seen: Seen) -> Tensor:
        assert seen.perceptual is not None
        distance: Tensor = seen.perceptual(seen.image, seen.target.detach())
        return distance
