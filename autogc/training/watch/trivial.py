"""Answers that cost nothing, which whatever is trained has to beat."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from autogc.data import Batch, Split
from autogc.data.inputs import DomainInput, LabelInput, NoiseInput
from autogc.metrics import psnr
from autogc.metrics.pixels import bicubic, coloured
from autogc.metrics.psnr import CAP

INPUT, NEAREST, BICUBIC, MEAN_IMAGE, MEAN_COLOUR = "input", "nearest", "bicubic", "mean image", "mean colour"
# Those that say the same of every input.
CONSTANT = (MEAN_IMAGE, MEAN_COLOUR)


def image_given(split: Split, batch: Batch, channels: int) -> Tensor | None:
    """Return the image (N, channels, h, w) in [-1, 1] that the inputs of a batch are or hold; None where they are noise or label maps."""
    match split.input:
        case NoiseInput() | LabelInput():
            return None
        case DomainInput():
            return batch.input[:, :channels]
    if batch.input.shape[1] == channels:
        return batch.input
    return coloured(batch.input) if batch.input.shape[1] == 1 and channels == 3 else None


def mean_image(images: Iterable[Tensor]) -> Tensor:
    """Return the mean over images (N, C, H, W) of each pixel, (1, C, H, W); of each channel, (1, C, 1, 1), where their sizes differ."""
    kept = [image.double() for image in images]
    if len({image.shape[1:] for image in kept}) == 1:
        return torch.cat(kept).mean(0, keepdim=True).float()
    return torch.cat([image.mean((2, 3), keepdim=True) for image in kept]).mean(0, keepdim=True).float()


def trivial_answers(given: Tensor | None, shape: torch.Size, mean: Tensor) -> dict[str, Tensor]:
    """Return the trivial answers by name, images of ``shape`` (N, C, H, W) in [-1, 1].

    ``given`` is the image that the generator is given, (N, C, h, w), where there is one: as it is where it has the shape, enlarged by
    nearest neighbours and bicubically where it is smaller. ``mean`` is of ``mean_image``, of the images that are to be answered with; of
    another size than theirs only its colour is left.
    """
    found = {}
    if given is not None and given.shape == shape:
        found[INPUT] = given
    elif given is not None and given.shape[-2] <= shape[-2] and given.shape[-1] <= shape[-1]:
        size = (shape[-2], shape[-1])
        found[NEAREST] = functional.interpolate(given, size, mode="nearest")
        found[BICUBIC] = bicubic(given, size)
    if mean.shape[-2:] == shape[-2:] and shape[-2:] != (1, 1):
        found[MEAN_IMAGE] = mean.expand(shape)
    else:
        found[MEAN_COLOUR] = mean.mean((2, 3), keepdim=True).expand(shape)
    return found


def likeness(image: Tensor, reference: Tensor) -> float:
    """Return the mean PSNR in dB of images (N, C, H, W) in [-1, 1] to their references, over all channels of 8-bit images.

    Higher is better; equal images count as 100, an image with a value that is not finite as 0.
    """
    finite = image.isfinite().all(3).all(2).all(1)
    found = psnr(image.nan_to_num().clamp(-1, 1), reference.clamp(-1, 1)).clamp(max=CAP)
    return float(torch.where(finite, found, 0.0).mean())
