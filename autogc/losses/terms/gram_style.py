"""Which features occur together, wherever in the image: its style."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from autogc.errors import ConfigError
from autogc.losses.terms.term import FEATURES, PERCEPTUAL_NETWORK, TERMS, Seen, one_of, total

DISTANCES = {"l1": F.l1_loss, "mse": F.mse_loss}


def gram(features: Tensor) -> Tensor:
    """Return the Gram matrices (N, C, C) of features (N, C, H, W), divided by C H W: Johnson et al. (ECCV 2016), equation 3.

    The order of positions makes no difference.
    """
    flat = features.flatten(2)
    return torch.bmm(flat, flat.transpose(1, 2)) / (flat.shape[1] * flat.shape[2])


def gram_distance(mine: Sequence[Tensor], wanted: Sequence[Tensor], *, distance: str = "l1") -> Tensor:
    """Return the sum over layers of the mean difference (``l1`` or ``mse``) of two networks' Gram matrices. None are a ValueError."""
    return total([DISTANCES[distance](gram(one), gram(other.detach())) for one, other in zip(mine, wanted, strict=True)])


@TERMS.register("gram_style")
class GramStyle:
    """The distance of Gram matrices, summed over layers: Gatys et al. (CVPR 2016), equations 3 to 5; OMGD (Ren et al., ICCV 2021) takes
    ``l1``, weighted 1e4.

    ``of: perceptual`` (the default) compares the images' features at the layers of ``losses.perceptual``, all weighted alike;
    ``of: generator`` those of the two generators at ``losses.distillation_layers``, the student's after their 1x1 maps, since Gram
    matrices of different widths can't be compared.
    """

    discriminator: str | None = None

    def __init__(self, *, of: str = "perceptual", distance: str = "l1") -> None:
        self.of = one_of("of", of, ("perceptual", "generator"))
        self.distance = one_of("distance", distance, tuple(DISTANCES))
        self.needs = frozenset({PERCEPTUAL_NETWORK if of == "perceptual" else FEATURES})

    def __call__(self, seen: Seen) -> Tensor:
        if self.of == "generator":
            return gram_distance(seen.mapped, seen.teacher_features, distance=self.distance)
        maps = getattr(seen.perceptual, "maps", None)
        if maps is None:
            raise ConfigError("gram_style needs a perceptual network that gives its feature maps; vgg19 does")
        with torch.no_grad():
            wanted = maps(seen.target)
        return gram_distance(maps(seen.image), wanted, distance=self.distance)
