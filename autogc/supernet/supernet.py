"""The supernet: an ordinary generator, every subnet of which is a pure function of its weights and a candidate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from autogc.compression import DIMENSIONS, ChannelDimension, FormatDimension, MaskDimension, UnitDimension, compress
from autogc.errors import CandidateError, nearest
from autogc.supernet.candidate import Candidate, Value
from autogc.supernet.conversion import check_unchanged, order_channels, own_statistics, plain_copy
from autogc.supernet.discover import discover
from autogc.supernet.functional import call, second_names
from autogc.supernet.groups import AxisMember, ChannelGroup, Discovery, Unit
from autogc.supernet.importance import class_importance
from autogc.supernet.layers import Layers, decomposable, find_sites, put_sites
from autogc.supernet.operators import quantize_input
from autogc.supernet.slices import Slicer, attributes_following
from autogc.supernet.statistics import keeps_statistics, recalibrate, statistics_of
from autogc.supernet.units import check_watched, find_units, skipping
from autogc.supernet.verify import verify as verify_discovery
from autogc.supernet.verify_units import verify_units
from autogc.supernet.watched import WatchedAxis

WEIGHT_DIMENSIONS = tuple(name for name, one in DIMENSIONS.items() if isinstance(one, MaskDimension | FormatDimension))
CHANNEL_DIMENSIONS = {name: one for name, one in DIMENSIONS.items() if isinstance(one, ChannelDimension)}


class Supernet(nn.Module):
    """All subnets of one generator, sharing its weights. Made by :meth:`convert`.

    A subnet is ``materialize(candidate)`` applied with ``functional.call``: evaluating one changes nothing here.
    """

    def __init__(
        self,
        module: nn.Module,
        discovery: Discovery,
        *,
        layers: Layers,
        sites: Sequence[str],
        decomposable: Sequence[str],
        watch: Sequence[str],
        example_shape: Sequence[int],
        fixed: Mapping[str, Mapping[str, str]],
    ) -> None:
        super().__init__()
        self.module = module
        self.discovery = discovery
        self.layers = layers.names
        self.quantizable = layers.quantizable
        self.holders = layers.holders
        self.sites = tuple(sites)
        self.units = {unit.name: unit for unit in discovery.units}
        self.decomposable = tuple(decomposable)
        self.watch = tuple(watch)
        self.example_shape = tuple(example_shape)
        # What can't vary, by kind: a name and the reason.
        self.fixed = {kind: dict(reasons) for kind, reasons in fixed.items()}
        self._second = second_names(module)
        self._slicer = Slicer(_with_separable(discovery, module, self.sites))
        self._watched = {name: WatchedAxis(axis) for name, axis in discovery.watched.items()}
        for part in self._parts(self.quantizable):
            part.register_forward_pre_hook(quantize_input)

    @classmethod
    def convert(
        cls,
        generator: nn.Module,
        example_input: Tensor,
        *,
        decompose: Sequence[str] = (),
        skip: Sequence[str] = (),
        watch: Sequence[str] = (),
        importance: str = "l1",
        verify: bool = True,
        discovery: Discovery | None = None,
    ) -> Supernet:
        """Convert a deep copy of ``generator`` and order each group's channels by importance.

        ``example_input`` has the shape (1, C, H, W) that costs are counted at. ``decompose`` are patterns (fnmatch) of
        dense convolutions that get a separable operator beside, ``*`` being all. ``skip`` are patterns of the units (``find_units``) that
        subnets may leave out; each of them has the same channels at both of its ends. ``watch`` names modules whose outputs are wanted as
        features. ``verify`` trial-runs each discovered group and unit against an oracle, and freezes those that fail. A ``discovery``
        that was proven before, of the same module, example shape, ``skip`` and ``watch``, is taken as it is. Weights that are computed
        before each use (spectral normalisation) become plain ones.

        Raises ConversionError when the generator can't be traced, or a pattern or name matches nothing.
        """
        module, folded = plain_copy(generator, watch)
        if discovery is None:
            units = find_units(module, example_input[:1]).matching(skip) if skip else ()
            check_watched(watch, units)
            discovery = discover(module, (example_input,), watch=tuple(watch), tie=units)
            if verify:
                discovery = verify_units(module, (example_input,), verify_discovery(module, (example_input,), discovery))
        order_channels(module, discovery, importance)
        check_unchanged(generator, module, example_input)
        layers = Layers.of(module, discovery)
        convolutions = decomposable(module, discovery, layers)
        sites = find_sites(decompose, convolutions)
        put_sites(module, sites, layers)
        fixed = {
            "channels": {_said(name, discovery): reason for name, reason in discovery.frozen.items()},
            "operator": {name: reason for name, reason in convolutions.items() if reason is not None},
            "weight format": dict(layers.fixed),
            "activation bits": dict(layers.unread),
            "depth": dict(discovery.required),
            "statistics": dict.fromkeys(
                own_statistics(module, example_input), "only those of torch's own norm layers are taken anew for a subnet"
            ),
            "parametrization": dict.fromkeys(folded, "it was computed before each use, and is a plain weight now"),
        }
        could = tuple(name for name, reason in convolutions.items() if reason is None)
        return cls(
            module, discovery, layers=layers, sites=sites, decomposable=could, watch=watch, example_shape=example_input.shape, fixed=fixed
        )

    def _parts(self, layers: Iterable[str]) -> list[nn.Module]:
        """Return the modules that hold the layers' weights, each once."""
        found = {id(part): part for layer in layers for name in self.holders[layer] for part in [self.module.get_submodule(name)]}
        return list(found.values())

    def weights_of(self, layer: str, operator: str) -> tuple[str, ...]:
        """Return the names of the compressible weights of a layer under an operator."""
        if operator == "separable":
            return (f"{layer}.depthwise.weight", f"{layer}.pointwise.weight")
        return (f"{layer}.weight",)

    def skipped(self, candidate: Candidate) -> tuple[Unit, ...]:
        """Return the units that a candidate leaves out."""
        dimension = DIMENSIONS["depth"]
        assert isinstance(dimension, UnitDimension)
        return tuple(unit for name, unit in self.units.items() if dimension.skips(candidate.get("depth", name, dimension.neutral)))

    def unit_of(self, name: str) -> str:
        """Return the unit that a module, parameter or buffer is a part of; "" where it is part of none."""
        return next((unit.name for unit in self.units.values() if unit.holds(name)), "")

    def kept(self, candidate: Candidate) -> dict[str, Tensor]:
        """Return the kept channel classes of every group, ascending int64 indices."""
        return {group.name: self._kept(group, candidate) for group in self.discovery.groups}

    def _kept(self, group: ChannelGroup, candidate: Candidate) -> Tensor:
        kept = torch.arange(group.size)
        for name, dimension in CHANNEL_DIMENSIONS.items():
            value = candidate.get(name, group.name)
            if value is None:
                continue
            count = int(dimension.count(len(kept), value, group.multiple))
            kept = dimension.choose(kept, count, lambda: self._importance(group, candidate))
        return kept

    @torch.no_grad()
    def _importance(self, group: ChannelGroup, candidate: Candidate) -> Tensor:
        tensors = dict(self.module.named_parameters())
        for layer in group.producers:
            if candidate.get("operator", layer) == "separable":
                tensors[f"{layer}.weight"] = tensors[f"{layer}.pointwise.weight"]
        return class_importance(group, self.discovery, tensors).cpu()

    def values_of(self, layer: str, candidate: Candidate) -> dict[str, Value]:
        """Return the weight dimensions' values at a layer, without the neutral ones."""
        found = {name: candidate.get(name, layer) for name in WEIGHT_DIMENSIONS}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def has_statistics(self) -> bool:
        """Whether norm layers keep running statistics, so that a subnet must be calibrated before it is used in evaluation mode."""
        return any(keeps_statistics(part) for part in self.module.modules())

    def calibrate(self, candidate: Candidate, batches: Iterable[Tensor]) -> dict[str, Tensor]:
        """Return a subnet's running statistics over all ``batches`` (N, C, H, W): buffers by name, narrow where the subnet is.

        Nothing here changes. Without norm layers that keep any, the result is empty and no batch is asked for.
        """
        return statistics_of(recalibrate(self.extract(candidate), batches)) if self.has_statistics else {}

    def materialize(self, candidate: Candidate, statistics: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Return the subnet's parameters and buffers by name: sliced, then compressed, straight-through to the supernet's.

        ``statistics`` are what ``calibrate`` gave; without them the subnet has slices of the supernet's. Buffers are copies, so that a
        subnet in training mode leaves the supernet's statistics alone.
        """
        buffers = {name: buffer.clone() for name, buffer in self.module.named_buffers()}
        tensors = self._slicer.slice({**dict(self.module.named_parameters()), **buffers}, self.kept(candidate))
        skipped = self.skipped(candidate)
        for layer in self.layers:
            values = self.values_of(layer, candidate)
            if values and not any(unit.holds(layer) for unit in skipped):
                for name in self.weights_of(layer, candidate.get("operator", layer, "dense")):
                    tensors[name] = compress(tensors[name], values)
        for name, buffer in (statistics or {}).items():
            if name not in buffers or tensors[name].shape != buffer.shape:
                found = tuple(tensors[name].shape) if name in buffers else "no such buffer"
                raise CandidateError(
                    f"statistics of {name!r} have shape {tuple(buffer.shape)}, the subnet has {found}: of another candidate?"
                )
            tensors[name] = buffer.to(tensors[name], copy=True)
        return tensors

    def forward(self, x: Tensor, candidate: Candidate, statistics: Mapping[str, Tensor] | None = None) -> Tensor:
        """Run a subnet: images (N, C, H, W) to images. ``statistics`` are what ``calibrate`` gave."""
        with self.configured(candidate, statistics) as tensors:
            y: Tensor = call(self.module, tensors, (x,), second=self._second)
        return y

    def forward_with_features(self, x: Tensor, candidate: Candidate) -> tuple[Tensor, list[Tensor]]:
        """Run a subnet; also return the outputs of the ``watch`` modules, narrow where the subnet is."""
        found: dict[str, Tensor] = {}
        with ExitStack() as stack:
            for name in self.watch:
                hook = self.module.get_submodule(name).register_forward_hook(_store(found, name))
                stack.callback(hook.remove)
            y = self.forward(x, candidate)
        return y, [found[name] for name in self.watch]

    def watched_index(self, name: str, candidate: Candidate) -> Tensor:
        """Return which channels of a watched module's full output the subnet's output has, ascending."""
        return self._watched[name].index(self.kept(candidate))

    @contextmanager
    def configured(
        self, candidate: Candidate, statistics: Mapping[str, Tensor] | None = None, *, tensors: Mapping[str, Tensor] | None = None
    ) -> Iterator[Mapping[str, Tensor]]:
        """Set what modules hold besides tensors to the candidate's, for one call. ``tensors`` take the place of the materialised ones."""
        tensors = self.materialize(candidate, statistics) if tensors is None else tensors
        try:
            for site in self.sites:
                self.module.get_submodule(site).operator = candidate.get("operator", site, "dense")  # type: ignore[assignment]
            skipped = self.skipped(candidate)
            for layer in self.quantizable:
                bits = None if any(unit.holds(layer) for unit in skipped) else candidate.get("activation_bits", layer)
                for part in self._parts([layer]):
                    part.activation_bits = bits  # type: ignore[assignment]
            with attributes_following(self.module, tensors), skipping(self.module, skipped):
                yield tensors
        finally:
            for site in self.sites:
                self.module.get_submodule(site).operator = "dense"  # type: ignore[assignment]
            for part in self._parts(self.quantizable):
                part.activation_bits = None  # type: ignore[assignment]

    def check(self, candidate: Candidate) -> None:
        """Raise CandidateError if the candidate names what this supernet lacks or a value that is not allowed."""
        groups = {group.name: group for group in self.discovery.groups}
        targets = {"width": groups, "filter_pruning": groups, "operator": self.sites, "activation_bits": self.quantizable}
        targets["depth"] = tuple(self.units)
        for name, chosen in candidate.choices.items():
            if name not in DIMENSIONS:
                raise CandidateError(f"no dimension named {name!r}: {nearest(name, DIMENSIONS)}")
            for target, value in chosen.items():
                valid = targets.get(name, self.layers)
                if target not in valid:
                    raise CandidateError(f"{name} names {target!r}, which this supernet lacks: {nearest(target, valid)}")
                problem = DIMENSIONS[name].problem(value)
                if problem:
                    raise CandidateError(f"{name} at {target!r}: {problem}")
                if name == "width" and int(value) > groups[target].size:
                    raise CandidateError(f"width at {target!r} is {value}, above the group's {groups[target].size} channels")
        for layer in self.layers:
            if len(slots := [n for n in self.values_of(layer, candidate) if DIMENSIONS[n].slot == "weight_format"]) > 1:
                raise CandidateError(f"{' and '.join(slots)} exclude each other, both are given for {layer!r}")

    def extract(
        self, candidate: Candidate, statistics: Mapping[str, Tensor] | None = None, *, tensors: Mapping[str, Tensor] | None = None
    ) -> nn.Module:
        """Return the subnet as a plain module of its own: really smaller, weights compressed, in evaluation mode.

        ``statistics`` are what ``calibrate`` gave; without them its norm layers have slices of the supernet's. ``tensors`` by name, of the
        subnet's shapes, take the place of its own: fake ones give a module that can be asked what it would do.
        """
        from autogc.supernet.extract import extract

        return extract(self, candidate, statistics, tensors)


def _store(found: dict[str, Tensor], name: str):  # type: ignore[no-untyped-def]
    def hook(module: nn.Module, args: object, output: Tensor) -> None:
        found[name] = output

    return hook


def _said(frozen: str, discovery: Discovery) -> str:
    """Return ``fc, output`` for the axis ``fc.weight:0``; a group's own name as it is."""
    tensor, colon, axis = frozen.rpartition(":")
    if not colon:
        return frozen
    use = next((use for use in discovery.uses if use.tensor == tensor), None)
    if use is None:
        return f"{tensor}, axis {axis}"
    return f"{use.layer}, {'input' if int(axis) == use.contracted else 'output'}"


def _with_separable(discovery: Discovery, module: nn.Module, sites: Sequence[str]) -> Discovery:
    """Add the separable operators' tensors to the groups: their channels are those of the dense convolution."""
    biased = {site for site in sites if module.get_submodule(site).bias is not None}
    groups = []
    for group in discovery.groups:
        members = list(group.members)
        for member in group.members:
            site, _, leaf = member.tensor.rpartition(".")
            if site not in sites or leaf != "weight":
                continue
            if member.axis == 0:
                added = [("pointwise.weight", 0)] + ([("pointwise.bias", 0)] if site in biased else [])
            else:
                added = [("pointwise.weight", 1), ("depthwise.weight", 0)] + ([("depthwise.bias", 0)] if site in biased else [])
            members += [AxisMember(f"{site}.{tensor}", axis, member.positions) for tensor, axis in added]
        groups.append(ChannelGroup(group.name, group.size, tuple(members), group.producers, group.multiple))
    return Discovery(tuple(groups), discovery.uses, discovery.watched, discovery.frozen)
