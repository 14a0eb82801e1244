"""What a generated image's features in the discriminator are asked to match."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from autogc.errors import ConfigError


def feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """Return the mean over scales of the sum over layers of the mean absolute difference: pix2pixHD (Wang et al., CVPR 2018), equation 4.

    ``fake`` and ``real`` are a ``Verdict``'s features of a generated and of the real image, by scale and layer. No gradient reaches
    the real ones. Lower is better. Raises ConfigError for a discriminator that gives no features.
    """
    if not fake:
        raise ConfigError("feature matching needs a discriminator that gives features, such as multi_scale")
    layers = [
        F.l1_loss(mine, other.detach()) for scale, target in zip(fake, real, strict=True) for mine, other in zip(scale, target, strict=True)
    ]
    return torch.stack(layers).sum() / len(fake)
