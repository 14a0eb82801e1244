"""What a candidate costs, known before anything of it is built, run or evaluated."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from math import prod

import numpy as np

from autogc.compression import DIMENSIONS
from autogc.cost.formula import COSTS, FAMILIES, FULL_BITS, PACKED_OVERHEAD, Family, Term
from autogc.cost.least import fewest_channels, minimize
from autogc.cost.peak import PeakDepths, PeakModel
from autogc.cost.tables import CHANNEL_DIMENSIONS, LAYER_DIMENSIONS, UNIT_DIMENSIONS, Controls, Table, build_table, look_up, merged
from autogc.cost.terms import terms_of
from autogc.errors import ConfigError, nearest
from autogc.supernet.candidate import Candidate, Value
from autogc.supernet.groups import ChannelGroup
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet

# Rows looked up at a time: the partial sums of these stay in a core's cache.
CHUNK = 1 << 15
# A term with more combinations than this is worked out for the rows that are asked for instead of tabulated.
LARGEST_TABLE = 1 << 21


class CostModel:
    """The closed-form costs of a supernet's candidates, for one image of the size that the supernet was converted with.

    * ``macs``: multiply-accumulates of convolutions and linear layers as they are done, equal to fvcore's count of the extracted module;
    * ``macs_published``: the same with transposed convolutions counted at their output positions, as the papers do;
    * ``bops``: bit operations, the sum of ``macs`` x bits of the weights x bits of the activations (32 where they are not quantised);
    * ``params``: the extracted module's parameters;
    * ``storage_bytes``: the size of the exported ``packed.safetensors``;
    * ``peak_activation_bytes``: the most bytes of activations that a forward pass of it holds at one time (``cost.peak``).

    All of them: lower is better. Normalisation and activation functions do no counted multiplications. ``unknown`` are the costs that
    are known of a candidate only when it has been measured (``TimedCostModel`` predicts them).
    """

    unknown: tuple[str, ...] = ("latency_ms",)

    def __init__(self, supernet: Supernet, space: Space | None = None) -> None:
        self._groups: dict[str, ChannelGroup] = {group.name: group for group in supernet.discovery.groups}
        self._terms = terms_of(supernet)
        self._supernet = supernet
        self._space = space
        self._peaks: dict[frozenset[str], PeakModel] = {}  # by the units that are left out

    def costs(self, candidate: Candidate, *, only: Collection[str] = COSTS) -> dict[str, int]:
        """Return each cost of one candidate, or ``only`` those that are named."""
        names = [name for name in COSTS if name in {_known(name) for name in only}]
        kept = {}
        for name, group in self._groups.items():
            count = group.size
            for dimension in CHANNEL_DIMENSIONS:
                value = candidate.get(dimension, name)
                if value is not None:
                    count = DIMENSIONS[dimension].count(count, value, group.multiple)  # type: ignore[attr-defined]
            kept[name] = int(count)
        found = {"storage_bytes": PACKED_OVERHEAD}
        for term in self._terms:
            values = _values_at(candidate, term)
            for family in FAMILIES:
                for name, value in zip(family.costs, family.of(term, kept, values).tolist(), strict=True):
                    found[name] = found.get(name, 0) + value
        if "peak_activation_bytes" not in names:
            return {name: found[name] for name in names}
        separable = [layer for layer, operator in candidate.choices.get("operator", {}).items() if operator == "separable"]
        quantized = [layer for layer, bits in candidate.choices.get("activation_bits", {}).items() if bits != FULL_BITS]
        skipped = frozenset(unit.name for unit in self._supernet.skipped(candidate))
        peak = self._peak_without(skipped)
        # A formula for each set of left-out units pays for many candidates at once (``costs_of``), and not for one.
        counted = {"separable": separable, "quantized": quantized}
        found["peak_activation_bytes"] = peak.recorded(kept, **counted) if skipped else peak.of(kept, **counted)
        return {name: found[name] for name in names}

    @property
    def peak(self) -> PeakModel:
        """The model of peak activation memory, made when it is first asked for: that takes some forward passes without arithmetic."""
        return self._peak_without(frozenset())

    def _peak_without(self, skipped: frozenset[str]) -> PeakModel:
        if skipped not in self._peaks:
            full = {name: group.size for name, group in self._groups.items()}
            macs = sum(int(term.counts(full, {})[0]) for term in self._terms)
            whole = self._peak_without(frozenset()) if skipped else None
            self._peaks[skipped] = PeakModel(self._supernet, macs=macs, skipped=skipped, whole=whole)
        return self._peaks[skipped]

    @cached_property
    def _peak_columns(self) -> PeakDepths:
        return PeakDepths(self._peak_without, self._controls, self._groups, self._supernet.layers, tuple(self._supernet.units))

    @property
    def space(self) -> Space:
        """The space that the model was made with."""
        assert self._space is not None, "this CostModel was made without a space"
        return self._space

    @cached_property
    def _controls(self) -> Controls:
        return Controls(self.space)

    @cached_property
    def _tables(self) -> list[tuple[Family, list[Table], list[Term]]]:
        """For each family the merged tables, and the terms that have too many combinations for one."""
        full = [range(size) for size in self._controls.sizes]
        found = []
        for family in FAMILIES:
            small: list[Term] = []
            large: list[Term] = []
            for term in self._terms:
                combinations = prod(self._controls.sizes[decision] for decision in self._controls.deciding(term, family))
                (small if combinations <= LARGEST_TABLE else large).append(term)
            found.append((family, merged(build_table(term, family, self._controls, self._groups, full) for term in small), large))
        return found

    def costs_of(self, columns: np.ndarray, *, only: Collection[str] = COSTS) -> dict[str, np.ndarray]:
        """Return each cost, int64 (N,), of candidates given as indices into their decisions' values: integers (N, decisions).

        ``only`` names those that are wanted; the others are left out.
        """
        names = [name for name in COSTS if name in {_known(name) for name in only}]
        columns = np.asarray(columns)
        sizes = self._controls.sizes
        if columns.ndim != 2 or columns.shape[1] != len(sizes) or not np.issubdtype(columns.dtype, np.integer):
            raise ValueError(f"columns must be integers of shape (N, {len(sizes)}), got {columns.dtype} of shape {columns.shape}")
        if len(columns) and (columns.min() < 0 or (columns.max(axis=0) >= sizes).any()):
            raise ValueError("columns hold an index that its decision does not have")
        found = {name: np.empty(len(columns), dtype=np.int64) for name in names}
        families = [one for one in self._tables if any(name in found for name in one[0].costs)]
        for start in range(0, len(columns), CHUNK):
            # One row a decision: a look-up reads whole decisions, not whole candidates.
            rows = np.ascontiguousarray(columns[start : start + CHUNK].T)
            for family, tables, large in families:
                part = look_up(tables, rows, len(family.costs))
                for term in large:
                    part += self._direct(term, family, rows)
                for index, name in enumerate(family.costs):
                    if name in found:
                        found[name][start : start + CHUNK] = part[:, index]
            if "peak_activation_bytes" in found:
                found["peak_activation_bytes"][start : start + CHUNK] = self._peak_columns.of(rows)
        if "storage_bytes" in found:
            found["storage_bytes"] += PACKED_OVERHEAD
        return found

    def _direct(self, term: Term, family: Family, rows: np.ndarray) -> np.ndarray:
        """Return a term's costs of a family, int64 (N, costs), without a table: the formula for each combination of the layer's values."""
        full = [range(size) for size in self._controls.sizes]
        kept = {}
        for name in term.groups:
            deciding, counts = self._controls.kept(self._groups[name], full)
            kept[name] = np.broadcast_to(counts[tuple(rows[decision] for decision in deciding)], rows.shape[1:])
        layer = self._controls.at(term, family)
        choosing = sorted({decision for decision, _ in layer.values()})
        costs = np.empty((rows.shape[1], len(family.costs)), dtype=np.int64)
        combinations, which = np.unique(rows[choosing], axis=1, return_inverse=True)
        for index, combination in enumerate(combinations.T):
            position = dict(zip(choosing, combination, strict=True))
            settled = {name: values[position[decision]] for name, (decision, values) in layer.items()}
            here = np.flatnonzero(which.reshape(-1) == index)
            values = {name: value for name, value in settled.items() if value is not None}
            costs[here] = family.of(term, {name: counts[here] for name, counts in kept.items()}, values)
        return costs

    def least(self, cost: str) -> int:
        """Return the smallest value that a cost takes anywhere in the space; a lower bound of a peak without a formula,
        or with more than 512 sets of units that may be left out."""
        return self._least_of(_known(cost))[0]

    def least_genotype(self, cost: str) -> dict[str, Value]:
        """Return decisions that reach ``least(cost)``."""
        return self.space.genotype(self._least_of(_known(cost))[1])

    def _least_of(self, cost: str) -> tuple[int, list[int]]:
        return self._least_peak if cost == "peak_activation_bytes" else self._least[cost]

    @cached_property
    def _fewest(self) -> list[list[int]]:
        return fewest_channels(self._controls, list(self._groups.values()))

    @cached_property
    def _least_peak(self) -> tuple[int, list[int]]:
        value, chosen = self._peak_columns.least(self._fewest)
        return value, [values[choice] for values, choice in zip(self._fewest, chosen, strict=True)]

    @cached_property
    def _least(self) -> dict[str, tuple[int, list[int]]]:
        allowed = self._fewest
        found = {}
        for family in FAMILIES:
            tables = merged(build_table(term, family, self._controls, self._groups, allowed) for term in self._terms)
            for index, name in enumerate(family.costs):
                factors = [(table.decisions, table.costs[..., index]) for table in tables]
                value, chosen = minimize(factors, [len(values) for values in allowed])
                indices = [values[choice] for values, choice in zip(allowed, chosen, strict=True)]
                found[name] = (value + (PACKED_OVERHEAD if name == "storage_bytes" else 0), indices)
        return found

    def feasible(self, columns: np.ndarray, constraints: Mapping[str, float]) -> np.ndarray:
        """Return which candidates (N, decisions) meet the constraints, bool (N,). ``latency_ms`` is passed over."""
        costs = self.costs_of(columns, only=[name for name in constraints if name != "latency_ms"])
        meets = np.ones(len(columns), dtype=bool)
        for name, limit in constraints.items():
            if name != "latency_ms":
                meets &= costs[_known(name)] <= limit
        return meets

    def feasible_share(self, constraints: Mapping[str, float], samples: int = 20_000, seed: int = 0) -> float:
        """Return the share, in [0, 1], of the space that meets the constraints: of ``samples`` uniform draws; exact for a smaller space."""
        return float(self.feasible(self.draw(samples, seed), constraints).mean())

    def draw(self, samples: int, seed: int) -> np.ndarray:
        """Return ``samples`` uniform draws as int64 (N, decisions); every candidate once where the space has no more than that."""
        sizes: Sequence[int] = self._controls.sizes
        if self.space.size <= samples:
            return np.stack(np.unravel_index(np.arange(self.space.size), sizes), axis=1)
        return np.random.default_rng(seed).integers(0, sizes, size=(samples, len(sizes)))


def _values_at(candidate: Candidate, term: Term) -> dict[str, Value]:
    found = {dimension: candidate.get(dimension, term.layer) for dimension in LAYER_DIMENSIONS}
    found |= {dimension: candidate.get(dimension, term.unit) for dimension in UNIT_DIMENSIONS}
    return {dimension: value for dimension, value in found.items() if value is not None}


def _known(cost: str) -> str:
    if cost not in COSTS:
        raise ConfigError(f"no cost named {cost!r}: {nearest(cost, COSTS)}", source="cost")
    return cost
