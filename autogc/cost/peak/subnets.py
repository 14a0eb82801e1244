"""Subnets of shapes alone: what a forward pass of one would hold, without its weights and without its arithmetic."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from autogc.cost.peak.record import Recording, record
from autogc.cost.terms import sizes_of
from autogc.supernet.candidate import Candidate
from autogc.supernet.groups import AxisLength, ChannelGroup
from autogc.supernet.supernet import Supernet

# Any number of bits that is quantised: the operators are the same for all of them.
SOME_BITS = 8


class ShapeSubnets:
    """Records forward passes of a supernet's subnets as exported modules make them, on tensors that have shapes only.

    With ``real`` the tensors are real (of zeros): quicker for a generator so small that PyTorch's bookkeeping is most of its time. The
    units ``skipped`` are left out of all of them.
    """

    def __init__(self, supernet: Supernet, *, real: bool = False, skipped: Collection[str] = ()) -> None:
        self._supernet = supernet
        self._real = real
        self._sizes = sizes_of(supernet)
        held = {**dict(supernet.module.named_parameters()), **dict(supernet.module.named_buffers())}
        self._dtypes = {name: tensor.dtype for name, tensor in held.items()}
        self._skipped = dict.fromkeys(skipped, "skip")
        self._full = {group.name: group.size for group in supernet.discovery.groups}
        self.groups: Mapping[str, ChannelGroup] = {
            group.name: group
            for group in supernet.discovery.groups
            if not all(supernet.unit_of(member.tensor) in self._skipped for member in group.members)
        }
        layers = [layer for layer in supernet.layers if supernet.unit_of(layer) not in self._skipped]
        self.separable = frozenset(layers).intersection(supernet.sites)
        self.quantizable = frozenset(layers).intersection(supernet.quantizable)
        # A module of several names is watched under one of them.
        seen: dict[int, tuple[str, str]] = {}
        for layer in layers:
            for holder in supernet.holders[layer]:
                seen.setdefault(id(supernet.module.get_submodule(holder)), (holder, layer))
        self.layer_of = dict(seen.values())

    @property
    def lengths(self) -> frozenset[AxisLength]:
        """Every length that an axis of a parameter or buffer has and that follows channels."""
        sizes = [size for name, size in self._sizes.items() if self._supernet.unit_of(name) not in self._skipped]
        return frozenset(axis for size in sizes for axis in size.axes if axis.parts)

    def record(self, kept: Mapping[str, int], *, separable: Iterable[str] = (), quantized: Iterable[str] = ()) -> Recording:
        """Record the subnet of ``kept`` channels with those operators, and the calls of its layers and of what quantised ones hold."""
        quantized, kept = frozenset(quantized), {**self._full, **kept}
        candidate = Candidate(
            {
                "depth": self._skipped,
                "operator": dict.fromkeys(separable, "separable"),
                "activation_bits": dict.fromkeys(quantized, SOME_BITS),
            }
        )
        # Constants that the generator's code holds are real in either case.
        mode = nullcontext() if self._real else FakeTensorMode(allow_non_fake_inputs=True)
        with mode:
            tensors = {
                name: torch.zeros([axis.of(kept) for axis in self._sizes[name].axes], dtype=dtype) for name, dtype in self._dtypes.items()
            }
            example = torch.zeros(self._supernet.example_shape)
        module = self._supernet.extract(candidate, tensors=tensors)
        inner = [f"{holder}.layer" for holder, layer in self.layer_of.items() if layer in quantized]
        units = [name for unit in self._supernet.units.values() if unit.name not in self._skipped for name in unit.modules]
        with mode:
            return record(module, example, watch=dict.fromkeys([*self.layer_of, *inner, *units]))
