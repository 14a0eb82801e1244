"""The registries of generators and discriminators."""

from __future__ import annotations

from torch import nn

from autogc.registry import Registry

# A generator maps images (N, in_channels, H, W) in [-1, 1] to images (N, out_channels, H, W) in [-1, 1].
# Its builder takes ``in_channels`` and ``out_channels``, which the dataset supplies.
GENERATORS: Registry[nn.Module] = Registry("generator")

# A discriminator maps images (N, in_channels, H, W) to realness logits of any shape.
# Its builder takes ``in_channels``; a conditional one sees the input and the image, concatenated.
DISCRIMINATORS: Registry[nn.Module] = Registry("discriminator")
