"""The peak activation memory of a supernet's subnets, as formulas that a few recorded forward passes give."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from autogc.cost.peak.fit import UnfitError, fit
from autogc.cost.peak.record import Recording
from autogc.cost.peak.steps import Passage, Polynomial, Step, steps_of
from autogc.cost.peak.subnets import ShapeSubnets
from autogc.supernet.supernet import Supernet

# Below as many MACs PyTorch's bookkeeping is most of a forward pass, and one on real tensors is quicker than one on fake ones.
SMALL_MACS = 300_000_000


class PeakModel:
    """The most bytes of activations that a forward pass of a subnet's exported module holds at one time: batch 1, float32, PyTorch eager.

    Activations are the tensors that operators return, the input and the output included, for as long as anything refers to them; weights
    are none, and neither is what a kernel allocates for itself and gives back (that depends on the processor and its library).

    The full generator (without the units ``skipped``) is recorded, once with every layer plain and, when it is first asked for, once with
    every layer's other operator and quantised inputs; then with channels taken away. Each tensor's size is a product of lengths that are
    linear in the kept channels, so what is held at any moment is a polynomial in them, and the peak their maximum. This is compared with
    recordings of random subnets; where it fails (``problem`` says why), every subnet that is asked for is recorded: as exact, but tens of
    milliseconds each.

    Where units are ``skipped``, the formulas are those of the ``whole`` generator's model without their steps, put to the test too.
    """

    def __init__(self, supernet: Supernet, *, macs: int, skipped: Collection[str] = (), whole: PeakModel | None = None) -> None:
        self._subnets = ShapeSubnets(supernet, real=macs <= SMALL_MACS, skipped=skipped)
        self._whole = whole
        self._left_out = [name for unit in skipped for name in supernet.units[unit].modules]
        self._recorded: dict[tuple[object, ...], int] = {}
        self.input_bytes = 4 * _product(supernet.example_shape)

    def of(self, kept: Mapping[str, int], *, separable: Collection[str], quantized: Collection[str]) -> int:
        """Return the peak of one subnet: kept channels by group, the layers that are separable, and those that quantise what they read."""
        separable, quantized = self._subnets.separable.intersection(separable), self._subnets.quantizable.intersection(quantized)
        steps = self.steps(alternatives=bool(separable or quantized))
        if steps is None:
            return self.recorded(kept, separable=separable, quantized=quantized)
        return max(
            value_of(step.nbytes, kept)
            for step in steps
            if step.separable in (None, step.layer in separable) and step.quantized in (None, step.layer in quantized)
        )

    def recorded(self, kept: Mapping[str, int], *, separable: Collection[str], quantized: Collection[str]) -> int:
        """Return the same from a recording of this very subnet: quicker for one or two of them than finding the formula."""
        separable, quantized = self._subnets.separable.intersection(separable), self._subnets.quantizable.intersection(quantized)
        key = (*sorted(kept.items()), separable, quantized)
        if key not in self._recorded:
            self._recorded[key] = self._subnets.record(kept, separable=separable, quantized=quantized).peak
        return self._recorded[key]

    def steps(self, *, alternatives: bool) -> list[Step] | None:
        """Return the moments at which the peak can be, with layers' ``alternatives`` or all plain; None where there is no formula."""
        return self._both[0] if alternatives else self._plain[0]

    @property
    def problem(self) -> str | None:
        """Return why there is no formula, of those that were asked for; None where there is one."""
        return next((found[1] for name in ("_plain", "_both") if (found := self.__dict__.get(name)) is not None and found[1]), None)

    @cached_property
    def _passage(self) -> Passage:
        if self._whole is not None:
            return self._whole._passage.without(self._left_out)
        return self._fitted(separable=(), quantized=())

    @cached_property
    def _other(self) -> Passage:
        if self._whole is not None:
            return self._whole._other.without(self._left_out)
        return self._fitted(separable=self._subnets.separable, quantized=self._subnets.quantizable)

    @cached_property
    def _plain(self) -> tuple[list[Step] | None, str | None]:
        try:
            steps = steps_of(self._passage, None, self._subnets.layer_of)
        except UnfitError as error:
            return None, str(error)
        if self._whole is None:
            return steps, None
        self.__dict__["_plain"] = (steps, None)
        return self._tested(steps, self._drawn(random.Random(0)), separable=(), quantized=())

    @cached_property
    def _both(self) -> tuple[list[Step] | None, str | None]:
        try:
            steps = steps_of(self._passage, self._other, self._subnets.layer_of)
        except UnfitError as error:
            return None, str(error)
        self.__dict__["_both"] = (steps, None)  # what ``of`` goes by while it is put to the test
        generator = random.Random(1)
        kept = self._drawn(generator)
        chosen = [
            [layer for layer in sorted(layers) if generator.random() < 0.5]
            for layers in (self._subnets.separable, self._subnets.quantizable)
        ]
        return self._tested(steps, kept, separable=chosen[0], quantized=chosen[1])

    def _drawn(self, generator: random.Random) -> dict[str, int]:
        return {name: generator.randint(1, group.size // group.multiple) * group.multiple for name, group in self._subnets.groups.items()}

    def _tested(
        self, steps: list[Step], kept: Mapping[str, int], *, separable: Collection[str], quantized: Collection[str]
    ) -> tuple[list[Step] | None, str | None]:
        """Return the steps where what they say of a subnet is what it is recorded to hold, else the problem."""
        counted = self.of(kept, separable=separable, quantized=quantized)
        found = self._subnets.record(kept, separable=separable, quantized=quantized).peak
        return (steps, None) if counted == found else (None, f"a subnet of mixed operators holds {found:,} bytes, not {counted:,}")

    def _fitted(self, *, separable: Collection[str], quantized: Collection[str]) -> Passage:
        def record(kept: Mapping[str, int]) -> Recording:
            return self._subnets.record(kept, separable=separable, quantized=quantized)

        return Passage.of(*fit(record, self._subnets.groups, self._subnets.lengths))


def value_of(nbytes: Polynomial, kept: Mapping[str, int]) -> int:
    """Return a polynomial's value."""
    return sum(coefficient * _product(kept[group] for group in groups) for groups, coefficient in nbytes.items())


def _product(numbers: Iterable[int]) -> int:
    found = 1
    for number in numbers:
        found *= number
    return found
