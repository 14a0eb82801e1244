"""Spaces whose whole front is known: two from formulas, one of real evaluations.

Each is a ``Landscape``: a space, its costs, and a score of any candidate, with what a search can reach at best.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from autogc.metrics.limits import minimizes
from autogc.search.ledger import Evaluation
from autogc.search.pareto import hypervolume, non_dominated
from autogc.supernet.candidate import Candidate
from autogc.supernet.decisions import Decision

MARGIN = 0.1  # by which the reference lies beyond the worst of the front, as a share of its range


def told(
    proposal: Any, scores: Mapping[str, float] | None, *, state: str = "complete", first: Mapping[str, float] | None = None
) -> Evaluation:
    """Return the evaluation of a study's proposal, made at once; ``first`` is what the first images alone said."""
    now = datetime.now(UTC)
    return Evaluation(
        trial=proposal.trial,
        candidate=proposal.candidate,
        genotype=proposal.genotype,
        state=state,  # type: ignore[arg-type]
        reason=None if state == "complete" else "as asked",
        scores=dict(scores or {}),
        costs={name: float(value) for name, value in proposal.costs.items()},
        provenance={"first": {"images": proposal.bar.images, "scores": dict(first)}} if first else {},
        seed=0,
        versions={},
        started=now,
        finished=now,
        worker="here",
    )


class PlainSpace:
    """Decisions without a supernet: what ``Space`` offers to a search."""

    def __init__(self, values: Mapping[str, tuple[Any, ...]]) -> None:
        self.decisions = tuple(
            Decision(name, choices, {value: (("width", name, position),) for position, value in enumerate(choices)})
            for name, choices in values.items()
        )

    @property
    def size(self) -> int:
        return prod(len(decision.values) for decision in self.decisions)

    def candidate(self, genotype: Mapping[str, Any]) -> Candidate:
        return Candidate({"width": {one.name: one.values.index(genotype[one.name]) for one in self.decisions}})

    def genotype(self, row: np.ndarray) -> dict[str, Any]:
        return {one.name: one.values[int(index)] for one, index in zip(self.decisions, row, strict=True)}

    def indices(self, genotype: Mapping[str, Any]) -> np.ndarray:
        return np.array([one.values.index(genotype[one.name]) for one in self.decisions])

    def largest(self) -> dict[str, Any]:
        return {one.name: one.values[0] for one in self.decisions}

    def smallest(self) -> dict[str, Any]:
        return {one.name: one.values[-1] for one in self.decisions}


class PlainCosts:
    """Costs from formulas: what ``CostModel`` offers to a search."""

    unknown = ("latency_ms",)

    def __init__(self, space: PlainSpace, formulas: Mapping[str, Callable[[np.ndarray], np.ndarray]]) -> None:
        self.space = space
        self._formulas = formulas

    def costs_of(self, rows: np.ndarray, *, only: Collection[str] | None = None) -> dict[str, np.ndarray]:
        return {name: formula(rows) for name, formula in self._formulas.items() if only is None or name in only}

    def least_genotype(self, cost: str) -> dict[str, Any]:
        del cost
        return self.space.smallest()


@dataclass
class Landscape:
    """``truth`` gives the objective's score without noise of rows (N, decisions), (N,); an evaluation adds ``noise`` (a deviation) times a
    normal draw to its logarithm where ``log``, else to it. ``best`` (F, 2) is the true front: (cost, score), the score as it is told."""

    name: str
    costs: PlainCosts
    score: str
    truth: Callable[[np.ndarray], np.ndarray]
    best: np.ndarray
    cost: str = "macs"
    constraints: Mapping[str, float] | None = None
    noise: float = 0.0
    log: bool = False
    # What the score is on the first images alone, and the seconds of an evaluation that ends there and of a whole one; of rows, each (N,).
    first: Callable[[np.ndarray], np.ndarray] | None = None
    first_images: int | None = None
    seconds: tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]] | None = None

    def evaluate(self, row: np.ndarray, generator: np.random.Generator) -> float:
        """Return a score as a search would be told."""
        value = float(self.truth(row[None])[0])
        shift = self.noise * generator.standard_normal()
        return float(value * np.exp(shift)) if self.log else value + shift

    def points(self, costs: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Return (log cost, score on its scale), both minimised, (N, 2)."""
        scaled = np.log(scores) if self.log else np.asarray(scores, dtype=np.float64)
        return np.stack([np.log(costs), scaled if minimizes(self.score) else -scaled], axis=1)

    @cached_property
    def _box(self) -> tuple[np.ndarray, float]:
        best = self.points(self.best[:, 0], self.best[:, 1])
        best = best[non_dominated(best)]
        reference = best.max(axis=0) + MARGIN * (best.max(axis=0) - best.min(axis=0))
        return reference, hypervolume(best, reference)

    def reached(self, rows: np.ndarray) -> float:
        """Return what rows (N, decisions) dominate, without noise, in per cent of what the true front does."""
        reference, most = self._box
        return 100.0 * hypervolume(self.points(self.costs.costs_of(rows)[self.cost], self.truth(rows)), reference) / most


def chain(seed: int = 0) -> Landscape:
    """Seven layers, each with a width, a precision and an operator (21 decisions); MACs are products of neighbouring widths.

    A layer's loss is a matter of its own three decisions and of the width before it; the score, an FID, is the exponential of their sum,
    with noise of 3 %. The front is exact: dynamic programming over the layers, for every number of MACs (in units).
    """
    draws = np.random.default_rng([seed, 1])
    layers, widths, precisions = 7, np.array([1.0, 0.75, 0.5, 0.25]), np.array([32, 8, 6, 4])
    kinds = ("dense", "separable", "shared")
    values: dict[str, tuple[Any, ...]] = {}
    for layer in range(layers):
        values |= {f"width{layer}": tuple(range(4)), f"bits{layer}": tuple(int(bits) for bits in precisions), f"kind{layer}": kinds}
    weight = np.exp(draws.normal(0.0, 0.8, size=layers))
    tables = []
    for layer in range(layers):
        narrow = draws.uniform(0.2, 1.0) * (1 / widths - 1) ** draws.uniform(0.5, 1.0)
        coarse = draws.uniform(0.1, 0.6) * np.array([0.0, 0.1, 0.5, 1.6])
        cheaper = np.array([0.0, draws.uniform(0.05, 0.8), draws.uniform(0.05, 1.0)])
        own = narrow[:, None, None] + coarse[None, :, None] * (1 + draws.uniform(-0.5, 1.5) * narrow[:, None, None])
        own = own + cheaper[None, None] * (1 + draws.uniform(-0.5, 1.5, size=(4, 4, 1)) * 0.5)
        before = draws.uniform(0.0, 0.6) * np.abs(np.log(widths)[:, None] - np.log(widths)[None]) + draws.uniform(0, 0.1, size=(4, 4))
        loss = weight[layer] * (own[None] + before[:, :, None, None])  # (width before, width, bits, kind)
        size = draws.uniform(20, 120)
        factor = np.array([1.0, 0.3, 0.45])
        macs = np.maximum(np.rint(size * widths[:, None, None] * widths[None, :, None] * factor), 1)  # (width before, width, kind)
        tables.append((0.12 * loss, np.broadcast_to(macs[:, :, None, :], loss.shape).astype(np.int64)))

    def look(rows: np.ndarray, which: int) -> np.ndarray:
        total = np.zeros(len(rows), dtype=tables[0][which].dtype)
        before = np.zeros(len(rows), dtype=np.int64)
        for layer, found in enumerate(tables):
            width, bits, kind = rows[:, 3 * layer : 3 * layer + 3].T
            total += found[which][before, width, bits, kind]
            before = width
        return total

    most = int(sum(found[1].max() for found in tables))
    least = np.full((4, most + 1), np.inf)  # by the last width and the MACs so far
    least[0, 0] = 0.0
    for loss, macs in tables:
        after = np.full_like(least, np.inf)
        for place in np.ndindex(loss.shape):
            step = int(macs[place])
            after[place[1], step:] = np.minimum(after[place[1], step:], least[place[0], : most + 1 - step] + loss[place])
        least = after
    lowest = least.min(axis=0)
    reached = np.flatnonzero(np.isfinite(lowest))
    space = PlainSpace(values)
    costs = PlainCosts(space, {"macs": lambda rows: look(rows, 1)})
    best = np.stack([reached, np.exp(lowest[reached])], axis=1)
    return Landscape("chain", costs, "fid", lambda rows: np.exp(look(rows, 0)), best, noise=0.03, log=True)


def bottleneck(seed: int = 0) -> Landscape:
    """Forty decisions of two to five values, a quarter of them categories: the worst one costs three times over, the others add up.

    The score is a PSNR with noise of 0.05 dB; the cost, bytes, adds up. The front is exact: dynamic programming under each possible worst.
    """
    draws = np.random.default_rng([seed, 2])
    values: dict[str, tuple[Any, ...]] = {}
    losses, sizes = [], []
    for number in range(40):
        count = int(draws.integers(2, 6))
        named = number % 4 == 3
        values[f"decision{number}"] = tuple(f"way{way}" for way in range(count)) if named else tuple(range(count))
        steps = np.concatenate([[0.0], draws.exponential(1.0, size=count - 1)])
        loss = np.exp(draws.normal(-1.0, 1.0)) * np.cumsum(steps) / max(steps.sum(), 1e-9)
        size = np.rint(draws.uniform(10, 60) * np.cumprod(np.concatenate([[1.0], draws.uniform(0.4, 0.8, size=count - 1)])))
        if named:
            shuffled = draws.permutation(count - 1) + 1
            loss[1:], size[1:] = loss[shuffled], size[shuffled]
        losses.append(loss)
        sizes.append(np.maximum(size, 1).astype(np.int64))

    def size_of(rows: np.ndarray) -> np.ndarray:
        return np.asarray(sum(size[rows[:, index]] for index, size in enumerate(sizes)))

    def psnr(rows: np.ndarray) -> np.ndarray:
        found = np.stack([loss[rows[:, index]] for index, loss in enumerate(losses)], axis=1)
        return np.asarray(34.0 - 0.25 * found.sum(axis=1) - 0.75 * found.max(axis=1))

    most = int(sum(size.max() for size in sizes))
    lowest = np.full(most + 1, np.inf)
    for worst in np.unique(np.concatenate(losses)):
        least = np.full(most + 1, np.inf)
        least[0] = 0.0
        for loss, size in zip(losses, sizes, strict=True):
            after = np.full_like(least, np.inf)
            for lost, step in zip(loss, size, strict=True):
                if lost <= worst:
                    after[step:] = np.minimum(after[step:], least[: most + 1 - step] + lost)
            least = after
        lowest = np.minimum(lowest, 0.25 * least + 0.75 * worst)
    reached = np.flatnonzero(np.isfinite(lowest))
    space = PlainSpace(values)
    costs = PlainCosts(space, {"storage_bytes": size_of})
    best = np.stack([reached, 34.0 - lowest[reached]], axis=1)
    return Landscape("bottleneck", costs, "psnr", psnr, best, cost="storage_bytes", noise=0.05)


def small() -> Landscape:
    """Three decisions, 24 candidates, no noise: a space that a search exhausts."""
    space = PlainSpace({"width": (4, 3, 2, 1), "bits": (32, 8, 4), "kind": ("dense", "separable")})
    losses, sizes = np.array([0.0, 0.2, 0.5, 1.0]), np.array([4, 3, 2, 1])
    costs = PlainCosts(space, {"macs": lambda rows: 10 * sizes[rows[:, 0]] * (2 - rows[:, 2]), "params": lambda rows: 9 - rows.sum(axis=1)})

    def fid(rows: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(losses[rows[:, 0]] + 0.1 * rows[:, 1] + 0.3 * rows[:, 2]))

    rows = np.stack(np.unravel_index(np.arange(space.size), (4, 3, 2)), axis=1)
    best = np.stack([costs.costs_of(rows)["macs"], fid(rows)], axis=1)
    return Landscape("small", costs, "fid", fid, best, log=True)


def table(path: Path) -> Landscape:
    """Every feasible candidate of a small space, really evaluated (``scripts/bench/score_table.py``); nothing is drawn."""
    read = pq.read_table(path)
    described = json.loads(read.schema.metadata[b"autogc"])
    space = PlainSpace({name: tuple(choices) for name, choices in described["decisions"]})
    rows = np.stack([read[one.name].to_numpy() for one in space.decisions], axis=1).astype(np.int64)
    shape = tuple(len(one.values) for one in space.decisions)
    places = np.ravel_multi_index(tuple(rows.T), shape)

    def column(name: str, missing: float) -> np.ndarray:
        full = np.full(space.size, missing)
        full[places] = read[name].to_numpy()
        return full

    fid = column("fid", np.nan)
    # Of what is not feasible no more is known than that.
    known = {name: column(name, 10.0 * read[name].to_numpy().max()) for name in ("macs", "storage_bytes", "params")}

    def of(full: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        return lambda rows: full[np.ravel_multi_index(tuple(rows.T), shape)]

    costs = PlainCosts(space, {name: of(full) for name, full in known.items()})
    best = np.stack([known["macs"][places], fid[places]], axis=1)
    best = best[np.isfinite(best).all(axis=1)]
    return Landscape(
        "table",
        costs,
        "fid",
        of(fid),
        best,
        constraints=described["limits"],
        log=True,
        first=of(column("fid_16", np.nan)),
        first_images=16,
        seconds=(of(column("seconds_16", 0.0)), of(column("seconds", 0.0))),
    )
