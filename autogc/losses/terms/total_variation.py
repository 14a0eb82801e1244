"""How much neighbouring pixels differ."""

from __future__ import annotations

from torch import Tensor

from autogc.losses.terms.term import TERMS, Seen


def total_variation(image: Tensor) -> Tensor:
    """Return the sum of the absolute differences of horizontal and of vertical neighbours, over all pixels and channels, as the mean over
    images: the anisotropic form of Rudin, Osher and Fatemi (1992).

    ``image`` is (N, C, H, W); lower is smoother, 0 for one colour.
    """
    across, down = image.diff(dim=-1).abs(), image.diff(dim=-2).abs()
    return (across.sum() + down.sum()) / len(image)


@TERMS.register("total_variation")
class TotalVariation:
    """``total_variation`` of the student's image: what keeps OMGD's students from noise (Ren et al., ICCV 2021), weighted 1e-5 there.

    A sum over pixels: its weight goes down as images grow. The target takes no part.
    """

    needs: frozenset[str] = frozenset()
    discriminator: str | None = None

    def __call__(self, seen: Seen) -> Tensor:
        return total_variation(seen.image)
