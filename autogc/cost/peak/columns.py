"""The peak activation memory of many candidates at once, and the least that it can be over a space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from autogc.cost.least import minimize
from autogc.cost.peak.model import PeakModel
from autogc.cost.peak.steps import Polynomial, highest
from autogc.cost.tables import Allowed, Controls
from autogc.supernet.groups import ChannelGroup

# For each decision that a step depends on (beside those of channels), which of its values it needs.
Condition = tuple[tuple[int, tuple[bool, ...]], ...]


class PeakColumns:
    """A ``PeakModel`` in terms of a space's decisions; without ``formula`` every subnet is recorded."""

    def __init__(
        self, model: PeakModel, controls: Controls, groups: Mapping[str, ChannelGroup], layers: Sequence[str], *, formula: bool = True
    ) -> None:
        self._model = model
        self._controls = controls
        self._groups = groups
        self._layers = layers
        self._full: Allowed = [range(size) for size in controls.sizes]
        self._polynomials: dict[Condition, list[Polynomial]] | None = None
        decided = any(controls.of(dimension, layer) for dimension in ("operator", "activation_bits") for layer in layers)
        steps = model.steps(alternatives=decided) if formula else None
        if steps is None:
            return
        found: dict[Condition, list[Polynomial]] = {}
        for step in steps:
            condition = self._condition(step.layer, step.separable, step.quantized)
            if condition is not None:
                found.setdefault(condition, []).append(step.nbytes)
        everywhere = highest(found.pop(()))
        rest = {condition: highest(polynomials, above=everywhere) for condition, polynomials in found.items()}
        self._polynomials = {(): everywhere, **{condition: kept for condition, kept in rest.items() if kept}}
        self._monomials = sorted({groups for polynomials in self._polynomials.values() for one in polynomials for groups in one})
        # Every number is an integer below 2^53, so that float64 (which BLAS multiplies) is exact.
        self._coefficients = {
            condition: np.array([[one.get(groups, 0) for groups in self._monomials] for one in polynomials], dtype=np.float64)
            for condition, polynomials in self._polynomials.items()
        }

    def _condition(self, layer: str, separable: bool | None, quantized: bool | None) -> Condition | None:
        """Return what decisions a step needs; None where the space never meets it."""
        needed: dict[int, tuple[bool, ...]] = {}
        for dimension, wanted in (("operator", separable), ("activation_bits", quantized)):
            if wanted is None:
                continue
            found = self._controls.of(dimension, layer)
            if found is None:
                if wanted:
                    return None
                continue
            decision, values = found
            meets = tuple(_is_other(dimension, value) == wanted for value in values)
            before = needed.get(decision, (True,) * len(values))
            needed[decision] = tuple(one and two for one, two in zip(before, meets, strict=True))
        if not all(any(meets) for meets in needed.values()):
            return None
        return tuple(sorted((decision, meets) for decision, meets in needed.items() if not all(meets)))

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the peak, int64 (N,), of value indices ``rows`` (decisions, N)."""
        kept = {name: self._kept(name, rows) for name in self._needed()}
        if self._polynomials is None:
            return self._recorded(kept, rows)
        terms = np.ones((len(self._monomials), rows.shape[1]))
        for place, groups in enumerate(self._monomials):
            for group in groups:
                terms[place] *= kept[group]
        peak = np.zeros(rows.shape[1])
        for condition, coefficients in self._coefficients.items():
            reached = (coefficients @ terms).max(axis=0)
            for decision, meets in condition:
                reached *= np.array(meets, dtype=np.float64)[rows[decision]]
            np.maximum(peak, reached, out=peak)
        return peak.astype(np.int64)

    def _needed(self) -> set[str]:
        if self._polynomials is None:
            return set(self._groups)
        return {group for groups in self._monomials for group in groups}

    def _kept(self, group: str, rows: np.ndarray) -> np.ndarray:
        deciding, counts = self._controls.kept(self._groups[group], self._full)
        return np.broadcast_to(counts[tuple(rows[decision] for decision in deciding)], rows.shape[1:])

    def _recorded(self, kept: Mapping[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
        """Without a formula: one recording for each different subnet of shapes."""
        found = np.empty(rows.shape[1], dtype=np.int64)
        for place in range(rows.shape[1]):
            others: dict[str, list[str]] = {"operator": [], "activation_bits": []}
            for dimension, layers in others.items():
                for layer in self._layers:
                    decided = self._controls.of(dimension, layer)
                    if decided is not None and _is_other(dimension, decided[1][rows[decided[0], place]]):
                        layers.append(layer)
            channels = {name: int(counts[place]) for name, counts in kept.items()}
            found[place] = self._model.recorded(channels, separable=others["operator"], quantized=others["activation_bits"])
        return found

    def least(self, allowed: Allowed) -> tuple[int, list[int]]:
        """Return the least peak where each decision takes one of the ``allowed`` values, and the index of each one's choice among them.

        Without a formula it is a lower bound only, the bytes of the input, with every decision's last value.
        """
        if self._polynomials is None:
            return self._model.input_bytes, [len(values) - 1 for values in allowed]
        factors = []
        for condition, polynomials in self._polynomials.items():
            needs = dict(condition)
            for one in polynomials:
                counts = {group: self._controls.kept(self._groups[group], allowed) for groups in one for group in groups}
                open_ = {decision for deciding, _ in counts.values() for decision in deciding}.union(needs)
                scope = tuple(sorted(decision for decision in open_ if len(allowed[decision]) > 1))
                total = np.zeros((1,) * len(scope), dtype=np.int64)
                for groups, coefficient in one.items():
                    part = np.full((1,) * len(scope), coefficient, dtype=np.int64)
                    for group in groups:
                        part = part * _placed(*counts[group], scope=scope)
                    total = total + part
                for decision, meets in needs.items():
                    chosen = np.array([meets[value] for value in allowed[decision]], dtype=np.int64)
                    total = total * _placed((decision,), chosen, scope=scope)
                lengths = [len(allowed[decision]) for decision in scope]
                factors.append((scope, np.broadcast_to(total, lengths)))
        return minimize(factors, [len(values) for values in allowed], combine=np.maximum)


def _is_other(dimension: str, value: object) -> bool:
    """Tell whether a decision's value makes a layer separable, or quantise what it reads."""
    return value == "separable" if dimension == "operator" else value is not None


def _placed(decisions: Sequence[int], values: np.ndarray, *, scope: Sequence[int]) -> np.ndarray:
    """Return ``values``, one axis a decision, with the axes of ``scope``; decisions that are not in it have one value."""
    order = sorted(range(len(decisions)), key=lambda axis: decisions[axis])
    lengths = {decision: values.shape[axis] for axis, decision in enumerate(decisions)}
    return values.transpose(order).reshape([lengths.get(decision, 1) for decision in scope])
