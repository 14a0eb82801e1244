"""A student's image should lead back to its input."""

from __future__ import annotations

from torch import Tensor

from autogc.losses.reconstruction import reconstruction_l1
from autogc.losses.terms.term import BACK, TERMS, Seen


@TERMS.register("cycle")
class Cycle:
    """``|F(G(x)) - x|_1``: the forward half of cycle consistency (Zhu et al., ICCV 2017, equation 2) for a student G of an unpaired
    teacher, F being the teacher's way back, fixed. CycleGAN weighs it 10."""

    needs = frozenset({BACK})
    discriminator: str | None = None

    def __call__(self, seen: Seen) -> Tensor:
        assert seen.back is not None
        return reconstruction_l1(seen.back(seen.image), seen.source)
