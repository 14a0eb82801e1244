"""Intermediate features: read from any module, and mapped from a student's channels to the teacher's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autogc.errors import ConfigError, nearest


def run_with_features(module: nn.Module, x: Tensor, layers: Sequence[str]) -> tuple[Tensor, list[Tensor]]:
    """Return ``module(x)`` and the outputs of its submodules named ``layers``, in that order.

    Raises ConfigError for a name that the module does not have, or that did not run.
    """
    found: dict[str, Tensor] = {}
    names = dict(module.named_modules())
    with ExitStack() as stack:
        for layer in layers:
            if layer not in names:
                raise ConfigError(f"losses.distillation_layers: the generator has no module {layer!r}: {nearest(layer, names)}")

            def keep(part: nn.Module, args: object, output: Tensor, *, layer: str = layer) -> None:
                found[layer] = output

            stack.callback(names[layer].register_forward_hook(keep).remove)
        image = module(x)
    missing = [layer for layer in layers if layer not in found]
    if missing:
        raise ConfigError(f"losses.distillation_layers: {', '.join(missing)} took no part in the generator's forward pass")
    return image, [found[layer] for layer in layers]


@torch.no_grad()
def feature_channels(module: nn.Module, example: Tensor, layers: Sequence[str]) -> list[int]:
    """Return the channels of each layer's output (N, C, H, W). Raises ConfigError when one has another shape."""
    was_training = module.training
    try:
        _, features = run_with_features(module.eval(), example, layers)
    finally:
        module.train(was_training)
    for layer, feature in zip(layers, features, strict=True):
        if feature.ndim != 4:
            raise ConfigError(
                f"losses.distillation_layers: {layer!r} gives shape {tuple(feature.shape)}; features to distil are (N, C, H, W)"
            )
    return [feature.shape[1] for feature in features]


class FeatureAdapters(nn.Module):
    """The learned 1x1 maps of GAN Compression's equation 3, one a distilled layer, from a student's channels to the teacher's."""

    def __init__(self, student: Sequence[int], teacher: Sequence[int]) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Conv2d(mine, theirs, 1) for mine, theirs in zip(student, teacher, strict=True))
        self._teacher = tuple(teacher)

    def forward(self, features: Sequence[Tensor], kept: Sequence[Tensor] | None = None) -> list[Tensor]:
        """Map each feature (N, c, H, W); ``kept[t]`` are the c channels of the full student that feature t has (all when None)."""
        mapped = []
        for position, (feature, one) in enumerate(zip(features, self.maps, strict=True)):
            assert isinstance(one, nn.Conv2d)
            weight = one.weight
            if kept is not None:
                # Also where all are kept: DeepSpeed's reduction needs the same graph for every candidate.
                weight = weight.index_select(1, kept[position].to(weight.device))
            mapped.append(F.conv2d(feature, weight, one.bias))
        return mapped

    @torch.no_grad()
    def match(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> None:
        """Start each map as the one that gives each teacher channel the student channel nearest to it, given both features of one input.

        A supernet is the teacher with its channels in another order, so at first its full width then has nothing to unlearn.
        """
        for one, mine, theirs in zip(self.maps, student, teacher, strict=True):
            assert isinstance(one, nn.Conv2d) and one.bias is not None
            flat, wanted = mine.transpose(0, 1).flatten(1), theirs.transpose(0, 1).flatten(1)
            nearest_one = torch.cdist(wanted, flat).argmin(dim=1)
            one.weight.zero_()
            one.weight[torch.arange(len(wanted)), nearest_one] = 1.0
            one.bias.zero_()

    @torch.no_grad()
    def narrowed(self, kept: Sequence[Tensor]) -> FeatureAdapters:
        """Return the maps of a student that has only the channels ``kept[t]`` of each layer, with these weights."""
        own = FeatureAdapters([len(index) for index in kept], self._teacher)
        for mine, full, index in zip(own.maps, self.maps, kept, strict=True):
            assert isinstance(mine, nn.Conv2d) and isinstance(full, nn.Conv2d)
            mine.weight.copy_(full.weight.index_select(1, index.to(full.weight.device)))
            assert mine.bias is not None and full.bias is not None
            mine.bias.copy_(full.bias)
        return own
