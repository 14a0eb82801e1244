"""How strongly each channel answers, wherever in the image."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from autogc.losses.terms.term import FEATURES, TERMS, Seen, total


@TERMS.register("channel_distillation")
class ChannelDistillation:
    """The mean squared difference of each channel's mean over the image, summed over ``losses.distillation_layers``: OMGD's channel
    distillation (Ren et al., ICCV 2021), after Zhou et al. (2020).

    The student's features are compared after the learned 1x1 maps. The weight is 500 for horse2zebra in the released scripts.
    """

    needs = frozenset({FEATURES})
    discriminator: str | None = None

    def __call__(self, seen: Seen) -> Tensor:
        pairs = zip(seen.mapped, seen.teacher_features, strict=True)
        return total([F.mse_loss(mine.mean((2, 3)), other.detach().mean((2, 3))) for mine, other in pairs])
