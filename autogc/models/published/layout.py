"""A published network's modules by our names, and how a checkpoint is read by them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from autogc.errors import CheckpointError
from autogc.models.published.differences import all_named, listed, shape_differences
from autogc.models.published.imported import Imported
from autogc.models.published.spectral import LEFT, ORIGINAL, PARAMETRIZED, RIGHT, completed, effective_weight, in_old_names

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
# The parts of GAN Compression's separable convolutions, and of ours.
SEPARABLE = {"conv.0": "depthwise", "conv.1": "norm", "conv.2": "pointwise"}
# What synchronised batch normalisation keeps for itself while it trains.
BOOKKEEPING = ("_tmp_running_mean", "_tmp_running_var", "_running_iter")


@dataclass(frozen=True)
class Layout:
    """``label`` names the published network, ``holds`` says in arguments of ours which size of it the checkpoint has.

    ``modules`` maps its modules to ours. ``constants`` are values of tensors of ours that its code fixes, with the reason.
    """

    label: str
    modules: Mapping[str, str]
    holds: str = ""
    constants: Mapping[str, tuple[float, str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.label} with {self.holds}" if self.holds else self.label


def fit(found: Mapping[str, Tensor], module: nn.Module, layouts: Sequence[Layout], *, first_channels: str | None = None) -> Imported:
    """Read ``found`` as the layout that most of its names are of, for ``module``.

    With ``first_channels``, which says in the notes why, tensors that are larger on some axes give their first channels there.
    Raises CheckpointError where none is, and where the checkpoint and the module differ in size or kind.
    """
    found = in_old_names(found)
    places = [name.rpartition(".")[0] for name in found]
    layout = max(layouts, key=lambda one: sum(place in one.modules for place in places))
    if not any(place in layout.modules for place in places):
        raise CheckpointError(f"its names are not those of {' or '.join(one.label for one in layouts)}")
    return _Reading(layout, module, first_channels).read(found)


class _Reading:
    """One checkpoint being read by a layout into a module."""

    def __init__(self, layout: Layout, module: nn.Module, first_channels: str | None) -> None:
        self.layout = layout
        self.first_channels = first_channels
        self.modules = dict(module.named_modules())
        self.own = module.state_dict()
        self.tensors: dict[str, Tensor] = {}
        self.notes: list[str] = [f"read as {layout}"]
        self.problems: list[str] = []
        self.unused: list[str] = []
        self.dropped: dict[str, list[str]] = {}

    def read(self, found: Mapping[str, Tensor]) -> Imported:
        by_place: dict[str, dict[str, Tensor]] = {}
        for name, tensor in found.items():
            place, _, leaf = name.rpartition(".")
            by_place.setdefault(place, {})[leaf] = tensor
        for place, leaves in by_place.items():
            if place not in self.layout.modules:
                self.unused += [f"{place}.{leaf}" for leaf in leaves]
                continue
            ours = self.layout.modules[place]
            for leaf, tensor in (self._spectral(place, leaves, ours) if ORIGINAL in leaves else leaves).items():
                self._take(place, leaf, tensor, ours)
        self._complete()
        if self.first_channels is not None:
            self._cut(self.first_channels)
        if self.unused:
            self.problems.append(f"it also holds {listed(self.unused)}")
        self.problems += shape_differences(self.tensors, self.own)
        if self.problems:
            raise CheckpointError(f"read as {self.layout}: " + "; ".join(self.problems))
        self.notes += [f"left out, {reason}: {all_named(names)}" for reason, names in self.dropped.items()]
        return Imported(self.tensors, tuple(self.notes))

    def _take(self, place: str, leaf: str, tensor: Tensor, ours: str) -> None:
        target = f"{ours}.{leaf}"
        part = self.modules.get(ours)
        if target in self.own:
            self.tensors[target] = tensor
        elif leaf in STATISTICS and isinstance(part, nn.InstanceNorm2d):
            self._drop("because instance normalisation takes each picture's own statistics", f"{place}.{leaf}")
        elif leaf in BOOKKEEPING and isinstance(part, _NormBase):
            self._drop("because only training uses it", f"{place}.{leaf}")
        else:
            self.unused.append(f"{place}.{leaf}")

    def _drop(self, reason: str, name: str) -> None:
        self.dropped.setdefault(reason, []).append(name)

    def _spectral(self, place: str, leaves: dict[str, Tensor], ours: str) -> dict[str, Tensor]:
        """Return a spectrally normalised module's leaves as ours has them: with singular vectors, or folded."""
        rest = {leaf: tensor for leaf, tensor in leaves.items() if leaf not in (ORIGINAL, LEFT, RIGHT, "weight")}
        if LEFT not in leaves:
            self.problems.append(f"{place} has {ORIGINAL} without {LEFT}")
            return rest
        if "weight" in leaves:
            self._drop(f"because {ORIGINAL} over its singular value gives it", f"{place}.weight")
        if f"{ours}.weight" in self.own:
            self._drop("folded into the weights, because the generator has no spectral normalisation", f"{place}.{LEFT}")
            if RIGHT in leaves:
                self._drop("folded into the weights, because the generator has no spectral normalisation", f"{place}.{RIGHT}")
            return {"weight": effective_weight(leaves), **rest}
        new_names = {old: new for new, old in PARAMETRIZED.items()}
        return {**{new_names[leaf]: tensor for leaf, tensor in completed(leaves).items()}, **rest}

    def _complete(self) -> None:
        """Add what our module has and the published one need not: counters, zero biases, the layout's constants."""
        added: dict[str, list[str]] = {}
        missing = []
        for name, tensor in self.own.items():
            if name in self.tensors:
                continue
            place, _, leaf = name.rpartition(".")
            if leaf == "num_batches_tracked":
                added.setdefault("counters that PyTorch before 0.4.1 did not save, as 0", []).append(name)
                self.tensors[name] = torch.zeros_like(tensor)
            elif leaf == "bias" and f"{place}.weight" in self.tensors and isinstance(self.modules[place], _ConvNd):
                added.setdefault("biases that the published network does without, as 0", []).append(name)
                self.tensors[name] = torch.zeros_like(tensor)
            elif name in self.layout.constants:
                value, reason = self.layout.constants[name]
                added.setdefault(f"{reason}, as {value:g}", []).append(name)
                self.tensors[name] = torch.full_like(tensor, value)
            else:
                missing.append(name)
        self.notes += [f"added {what}: {all_named(names)}" for what, names in added.items()]
        plain = [name for name in missing if name.endswith(".parametrizations.weight.original")]
        if plain and all(f"{name.split('.parametrizations.')[0]}.weight" in self.published_names() for name in plain):
            self.problems.append("it has no spectral normalisation: set spectral_norm: false")
        elif missing:
            self.problems.append(f"it lacks {listed(missing)}")

    def _cut(self, why: str) -> None:
        """Take the first channels of tensors that are larger than ours on every axis that differs."""
        larger = []
        for name, tensor in self.tensors.items():
            shape = self.own[name].shape
            if tensor.ndim == len(shape) and tensor.shape != shape and all(a >= b for a, b in zip(tensor.shape, shape, strict=True)):
                self.tensors[name] = tensor[tuple(slice(size) for size in shape)].clone()
                larger.append(name)
        if larger:
            self.notes.append(f"{why}: the first channels of {all_named(larger)}")

    def published_names(self) -> set[str]:
        """Return what the checkpoint's unused names are in ours."""
        renamed = set()
        for name in self.unused:
            place, _, leaf = name.rpartition(".")
            if place in self.layout.modules:
                renamed.add(f"{self.layout.modules[place]}.{leaf}")
        return renamed


def channels_of(found: Mapping[str, Tensor], name: str, axis: int) -> int | None:
    """Return the length of a tensor's axis, or None where the checkpoint has no such tensor, or one of fewer axes."""
    tensor = found.get(name)
    return None if tensor is None or tensor.ndim <= axis else int(tensor.shape[axis])


def described(**arguments: object) -> str:
    """Return arguments of ours as text, those that are not None: ``base_channels 64, blocks 9``."""
    return ", ".join(f"{name} {value}" for name, value in arguments.items() if value is not None)


def count_of(found: Mapping[str, Tensor], pattern: str) -> int:
    """Return how many different modules match a regular expression at the start of their names."""
    return len({match.group(0) for name in found if (match := re.match(pattern, name))})
