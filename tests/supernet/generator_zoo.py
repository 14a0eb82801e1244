"""Small generators, each with patterns that a discovery of channel groups must get right or leave alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from zoo_plain import (
    ChannelShuffle,
    Dcgan,
    Flattening,
    Gated,
    ImageAndFeatures,
    Mobile,
    SharedWeights,
    ShuffleByHand,
    SuperResolution,
    UNet,
)
from zoo_special import (
    AdaptiveLayerInstance,
    ChannelNorms,
    Labelled,
    Modulated,
    SelfAttention,
    Sorted,
    Spade,
    Spectral,
    Standardized,
    Styled,
    Transformer,
    WeightNormed,
    WindowAttention,
)

from autogc.models import GENERATORS


@dataclass(frozen=True)
class Specimen:
    """A generator, its inputs, the sizes of the groups that it has, and those groups that only the trial run can rule out."""

    build: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    groups: dict[str, int]
    refuted: tuple[str, ...] = ()

    def inputs(self) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(0)
        return tuple(torch.randn(shape, generator=generator) for shape in self.shapes)


IMAGE = ((1, 3, 16, 16),)

ZOO: dict[str, Specimen] = {
    "resnet": Specimen(
        lambda: GENERATORS.build("resnet", {"base_channels": 8, "blocks": 2}, in_channels=3, out_channels=3),
        IMAGE,
        {"stem.conv": 8, "down1.conv": 16, "down2.conv": 32, "blocks.0.conv1": 32, "blocks.1.conv1": 32, "up1.conv": 16, "up2.conv": 8},
    ),
    "resnet_batch": Specimen(
        lambda: GENERATORS.build("resnet", {"base_channels": 8, "blocks": 1, "norm": "batch"}, in_channels=3, out_channels=3),
        IMAGE,
        {"stem.conv": 8, "down1.conv": 16, "down2.conv": 32, "blocks.0.conv1": 32, "up1.conv": 16, "up2.conv": 8},
    ),
    "unet": Specimen(UNet, IMAGE, {"down1": 6, "down2.1": 10, "middle.1": 12, "up2.1": 8}),
    "super_resolution": Specimen(SuperResolution, IMAGE, {"first.0": 8, "block.0": 10, "up.0": 6}),
    "shuffle_by_hand": Specimen(ShuffleByHand, IMAGE, {"conv": 6}),
    "mobile": Specimen(Mobile, IMAGE, {"stem": 8, "pointwise": 4, "grouped": 6, "grouped_up": 2}),
    "dcgan": Specimen(lambda: Dcgan(literal=False), ((1, 7),), {"linear": 12, "up": 6}),
    "dcgan_literal": Specimen(lambda: Dcgan(literal=True), ((1, 7),), {"linear": 12, "up": 6}, refuted=("linear",)),
    "flattening": Specimen(Flattening, IMAGE, {"conv": 6, "code": 10, "back": 5}),
    "gated": Specimen(Gated, IMAGE, {"glu": 8, "chunked": 6, "parted": 5, "parted#1": 5, "own": 5}, refuted=("parted",)),
    "channel_shuffle": Specimen(ChannelShuffle, IMAGE, {"a": 6, "b": 6}),
    "self_attention": Specimen(SelfAttention, IMAGE, {"stem": 8, "query": 4, "value": 6}),
    "transformer": Specimen(Transformer, IMAGE, {"embed": 8, "mlp.0": 20}, refuted=("embed",)),
    "shared_weights": Specimen(SharedWeights, IMAGE, {"stem": 8, "one": 6}),
    "image_and_features": Specimen(ImageAndFeatures, IMAGE, {"a": 6, "b": 7, "c": 5}),
    "styled": Specimen(Styled, ((1, 3, 16, 16), (1, 5)), {"map.0": 9, "stem": 8, "squeeze": 4}),
    "channel_norms": Specimen(ChannelNorms, IMAGE, {"a": 4, "b": 10, "c": 8}),
    "adaptive_layer_instance": Specimen(AdaptiveLayerInstance, IMAGE, {"conv": 8}),
    "window_attention": Specimen(WindowAttention, IMAGE, {"embed": 8, "qkv": 4}, refuted=("qkv",)),
    "labelled": Specimen(Labelled, ((1, 3, 16, 16), (1, 4)), {"stem": 8, "mid": 6}),
    "spectral": Specimen(Spectral, IMAGE, {"a.parametrizations.weight": 8, "b": 6}, refuted=("a.parametrizations.weight",)),
    "weight_normed": Specimen(WeightNormed, IMAGE, {"a.parametrizations.weight": 8, "b.parametrizations.weight": 6}),
    "spade": Specimen(Spade, IMAGE, {"fc": 8, "shared": 7}),
    "sorted": Specimen(Sorted, IMAGE, {"b": 6}),
    "modulated": Specimen(Modulated, ((1, 5),), {"affine": 8, "weight": 6}),
    "standardized": Specimen(Standardized, IMAGE, {"a": 8, "b": 6}, refuted=("a",)),
}
