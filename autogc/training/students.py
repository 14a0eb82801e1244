"""Generators that learn from a teacher: the supernet, and one exported subnet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from autogc.compression import Value, compress
from autogc.supernet.candidate import Candidate
from autogc.supernet.functional import call
from autogc.supernet.supernet import Supernet
from autogc.training.features import FeatureAdapters, run_with_features
from autogc.training.tasks import Objective
from autogc.training.trainer import GeneratorSide


class SupernetStudent(GeneratorSide):
    """A supernet and the 1x1 maps from its ``watch`` layers to the teacher's, run as any candidates."""

    def __init__(self, supernet: Supernet, adapters: FeatureAdapters, objective: Objective) -> None:
        super().__init__(objective)
        self.supernet = supernet
        self.adapters = adapters

    def run(self, x: Tensor, candidate: Candidate) -> tuple[Tensor, tuple[Tensor, ...]]:
        image, features = self.supernet.forward_with_features(x, candidate)
        kept = [self.supernet.watched_index(name, candidate) for name in self.supernet.watch]
        return image, (*self.adapters(features, kept), *features)


class CompressedStudent(GeneratorSide):
    """A plain subnet whose latent float32 weights are compressed anew in every forward pass, with straight-through gradients.

    ``values`` are a package's, by tensor name; ``layers`` are distilled through ``adapters``.
    """

    def __init__(
        self,
        net: nn.Module,
        values: Mapping[str, Mapping[str, Value]],
        objective: Objective,
        *,
        layers: Sequence[str] = (),
        adapters: FeatureAdapters | None = None,
        companions: dict[str, nn.Module] | None = None,
    ) -> None:
        super().__init__(objective, companions)
        assert len(layers) == (0 if adapters is None else len(adapters.maps))
        self.net = net
        self.adapters = FeatureAdapters([], []) if adapters is None else adapters
        self._values = {name: dict(chosen) for name, chosen in values.items()}
        self._layers = tuple(layers)

    def compressed(self) -> dict[str, Tensor]:
        """Return what the net computes with: the tensors that ``values`` name, compressed."""
        return {name: compress(self.net.get_parameter(name), values) for name, values in self._values.items()}

    @torch.no_grad()
    def compress_into(self, module: nn.Module) -> nn.Module:
        """Compress the latent weights of ``module``, another of the net's kind, in place: what would ship. Returns it."""
        for name, values in self._values.items():
            weight = module.get_parameter(name)
            weight.copy_(compress(weight, values))
        return module

    def run(self, x: Tensor, candidate: object) -> tuple[Tensor, tuple[Tensor, ...]]:
        assert candidate is None, "an exported subnet has one shape"
        runner = _WithFeatures(self.net, self._layers)
        tensors = {f"net.{name}": tensor for name, tensor in self.compressed().items()}
        image, features = call(runner, tensors, (x,))
        return image, (*self.adapters(features), *features)


class _WithFeatures(nn.Module):
    """A net whose forward also returns features, so that ``functional.call`` reaches both."""

    def __init__(self, net: nn.Module, layers: Sequence[str]) -> None:
        super().__init__()
        self.net = net
        self._layers = layers

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return run_with_features(self.net, x, self._layers)


class FixedTeacher:
    """A fixed teacher: an input to its picture and its features at ``layers``, in evaluation mode and without gradients."""

    def __init__(self, teacher: nn.Module, layers: Sequence[str], device: torch.device) -> None:
        self._teacher = teacher.to(device).eval()
        self._layers = tuple(layers)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return run_with_features(self._teacher, x, self._layers)
