"""The registries of generators and discriminators."""

from __future__ import annotations

from torch import nn

from autogc.registry import Registry

# A generator maps its input (N, in_channels, h, w), one tensor, to images (N, out_channels, H, W) in [-1, 1]. The input is a picture or a
# one-hot label map in [-1, 1], noise (N, in_channels, 1, 1), or a picture with the maps of its target domain (0 or 1) behind its channels.
# Its builder takes ``in_channels`` and ``out_channels``, which the dataset supplies, and is offered ``height`` and ``width`` of the images.
GENERATORS: Registry[nn.Module] = Registry("generator")

# A discriminator maps images (N, in_channels, H, W) to realness logits of any shape, or to a ``Verdict``.
# Its builder takes ``in_channels``, and is offered ``height`` and ``width`` of the images and ``domains``, how many domains the dataset
# has.
# A conditional one sees the input and the image, concatenated; that is the caller's doing.
DISCRIMINATORS: Registry[nn.Module] = Registry("discriminator")
