"""The moments at which a forward pass may hold the most: bytes as polynomials in the kept channels, and under which choices."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from autogc.cost.formula import TensorSize
from autogc.cost.peak.fit import UnfitError
from autogc.cost.peak.record import Call, Recording

# Monomial (groups, ascending; a group twice for its square; none for the constant) -> coefficient.
Polynomial = Mapping[tuple[str, ...], int]


@dataclass(frozen=True)
class Step:
    """Bytes that are held at one moment, if ``layer`` has the operator and the activations that are said (None: whatever it has)."""

    nbytes: Polynomial
    layer: str = ""
    separable: bool | None = None
    quantized: bool | None = None


@dataclass(frozen=True)
class Passage:
    """A recorded forward pass with what its storages weigh."""

    recording: Recording
    weights: Sequence[Polynomial]

    @classmethod
    def of(cls, recording: Recording, sizes: Sequence[TensorSize]) -> Passage:
        """Return the passage of storages whose numbers of elements are ``sizes``."""
        return cls(recording, [polynomial(size, one.itemsize) for size, one in zip(sizes, recording.storages, strict=True)])

    def held(self, storages: Iterable[int]) -> Polynomial:
        """Return what these storages weigh together."""
        return added(self.weights[index] for index in storages)

    def without(self, modules: Collection[str]) -> Passage:
        """Return the passage in which these modules, whose calls were recorded, give back what they are given.

        Their steps are gone, and what they made is the storage that went in. Raises UnfitError for one that is not followed throughout.
        """
        calls = [call for call in self.recording.calls if call.name in modules]
        same: dict[int, int] = {}
        for call in calls:
            if call.source is None or call.made is None:
                raise UnfitError(f"{call.name} does not make a tensor of another")
            if call.made != call.source:
                same[call.made] = same.get(call.source, call.source)
        gone = {step for call in calls for step in range(call.start, call.stop)}
        left = [step for step in range(len(self.recording.steps) + 1) if step not in gone]
        place = [bisect_left(left, step) for step in range(len(self.recording.steps) + 1)]

        def held(storages: Iterable[int]) -> frozenset[int]:
            return frozenset(same.get(index, index) for index in storages)

        remaining = [
            Call(call.name, place[call.start], held(call.held), place[call.stop])
            for call in self.recording.calls
            if not any(one.start <= call.start and call.stop <= one.stop for one in calls)
        ]
        steps = [held(self.recording.steps[step]) for step in left[:-1]]
        return Passage(Recording(self.recording.storages, steps, remaining), self.weights)

    def inside(self, call: Call) -> list[Polynomial]:
        """Return what a call adds, step by step, to what was held when it began."""
        return [self.held(step - call.held) for step in self.recording.steps[call.start : call.stop]]


def polynomial(size: TensorSize, factor: int) -> Polynomial:
    """Return ``factor`` times the number of elements."""
    product: dict[tuple[str, ...], int] = {(): factor}
    for axis in size.axes:
        longer: dict[tuple[str, ...], int] = {}
        for groups, coefficient in product.items():
            for group, repeat in ((None, axis.fixed), *axis.parts):
                key = groups if group is None else tuple(sorted((*groups, group)))
                longer[key] = longer.get(key, 0) + coefficient * repeat
        product = longer
    return {groups: coefficient for groups, coefficient in product.items() if coefficient}


def added(polynomials: Iterable[Polynomial]) -> Polynomial:
    """Return the sum."""
    total: dict[tuple[str, ...], int] = {}
    for one in polynomials:
        for groups, coefficient in one.items():
            total[groups] = total.get(groups, 0) + coefficient
    return total


def at_most(first: Polynomial, second: Polynomial) -> bool:
    """Tell whether ``first`` never exceeds ``second`` for any kept channels, as far as coefficients show."""
    return all(coefficient <= second.get(groups, 0) for groups, coefficient in first.items())


def highest(polynomials: Iterable[Polynomial], *, above: Sequence[Polynomial] = ()) -> list[Polynomial]:
    """Return those that can be the largest: none that another one, or one of ``above``, is never below."""
    found: list[Polynomial] = []
    for one in sorted(polynomials, key=lambda each: -sum(each.values())):
        if not any(at_most(one, other) for other in (*found, *above)):
            found.append(one)
    return found


def steps_of(plain: Passage, other: Passage | None, layer_of: Mapping[str, str]) -> list[Step]:
    """Return the steps of a forward pass and, for each call of a layer, those of its alternatives.

    In ``plain`` every layer is dense and reads float32; in ``other`` each that can be is separable and quantises what it reads. What a
    layer does inside changes nothing around it: what was held when it was called is held until it returns; then only its output is new.
    """
    unconditional: list[Polynomial] = []
    steps: list[Step] = []
    within: set[int] = set()
    calls = [call for call in plain.recording.calls if call.name in layer_of]
    others: list[Call | None] = [None] * len(calls)
    inner: dict[int, Call] = {}
    if other is not None:
        found = [call for call in other.recording.calls if call.name in layer_of]
        assert [call.name for call in found] == [call.name for call in calls], "alternatives call the same layers"
        others = list(found)
        inner = {
            place: one
            for place, call in enumerate(found)
            for one in other.recording.calls
            if one.name == f"{call.name}.layer" and call.start <= one.start and one.stop <= call.stop
        }
    for place, call in enumerate(calls):
        within.update(range(call.start, call.stop))
        before, dense = plain.held(call.held), plain.inside(call)
        alternative = others[place]
        if other is None or alternative is None:
            unconditional += [added((before, one)) for one in dense]
            continue
        layer = layer_of[call.name]
        body, copy = alternative, added(())
        if place in inner:
            body = inner[place]
            copy = other.held(body.held - alternative.held)
            entering = [other.held(step - alternative.held) for step in other.recording.steps[alternative.start : body.start]]
            steps += [Step(added((before, one)), layer, quantized=True) for one in entering]
        separable = other.inside(body)
        for inside, operator in ((dense, False), (separable, True)):
            for one in inside:
                # What both operators reach is reached under either.
                either = any(at_most(one, matching) for matching in (separable if operator is False else dense))
                holds = None if either else operator
                steps.append(Step(added((before, one)), layer, separable=holds))
                if place in inner:
                    steps.append(Step(added((before, copy, one)), layer, separable=holds, quantized=True))
    unconditional += [plain.held(step) for index, step in enumerate(plain.recording.steps) if index not in within]
    unconditional += [step.nbytes for step in steps if step.separable is None and step.quantized is None]
    everywhere = highest(unconditional)
    conditional: dict[tuple[str, bool | None, bool | None], list[Polynomial]] = {}
    for step in steps:
        if step.separable is not None or step.quantized is not None:
            conditional.setdefault((step.layer, step.separable, step.quantized), []).append(step.nbytes)
    kept = [Step(one) for one in everywhere]
    for condition, polynomials in conditional.items():
        kept += [Step(one, *condition) for one in highest(polynomials, above=everywhere)]
    return kept
