"""Latency before anything runs: the times of a candidate's layers, brought to whole networks by a small fit whose error is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from autogc.cost.latency.features import CHUNK, FEATURES, FeatureTable, Owners, merged, summed, tables_of
from autogc.cost.latency.program import kept_channels
from autogc.cost.latency.table import LayerTimes, Setting
from autogc.cost.least import minimize
from autogc.supernet.candidate import Candidate
from autogc.supernet.supernet import Supernet

# How much the fit of PyTorch as it is holds on to the measured layers' own times, in units of a relative error.
TRUST = {"eager": 0.03}
TRUST_ELSEWHERE = 0.003


@dataclass(frozen=True)
class Fit:
    """How layers add up to networks, and how well: ``weights`` of each of ``FEATURES`` (1 for a kind: as it was measured), ``constant_ms``.

    ``tau`` is Kendall's rank correlation, in [-1, 1], and ``median_error`` the median of |predicted - measured| / measured over
    ``held_out`` candidates, which the fit has not seen; it is made from ``learned`` others. ``busy`` is the share of the machine that
    others used. ``repeated_tau`` is the tau of the held-out measurements with their own
    repetition (None without one): where it is low, it is the machine that was not quiet.
    """

    weights: Mapping[str, float]
    constant_ms: float
    tau: float
    median_error: float
    learned: int
    held_out: int
    busy: float
    calls: int
    repeated_tau: float | None = None

    def __str__(self) -> str:
        beside = f"; measured beside other work ({self.busy:.0%} of the machine in use)" if self.busy > 0.1 else ""
        repeated = "" if self.repeated_tau is None else f"; the measurements repeated have tau {self.repeated_tau:.3f} with themselves"
        return (
            f"on {self.held_out} candidates that it had not seen, Kendall's tau {self.tau:.3f}, "
            f"median error {self.median_error:.1%}{beside}{repeated}"
        )

    @property
    def vector(self) -> np.ndarray:
        """The weights in the order of ``FEATURES``, float64 (F,)."""
        return np.array([self.weights[name] for name in FEATURES])

    def to_json(self) -> dict[str, Any]:
        """Return the fit as JSON-ready data."""
        return {**asdict(self), "weights": dict(self.weights)}


def fitted_weights(features: np.ndarray, milliseconds: np.ndarray, *, backend: str) -> tuple[np.ndarray, float]:
    """Return non-negative weights (F,) and a constant that bring ``features`` (N, F) to ``milliseconds`` (N,) with least relative errors.

    Kinds are held near 1, so that what few candidates tell nothing of stays as it was measured.
    """
    kinds = len(FEATURES) - 1
    rows = np.column_stack([features, np.ones(len(features))]) / milliseconds[:, None]
    # In units of the whole's time, so that the pull towards 1 is as strong for every kind as the part that it plays.
    trust = TRUST.get(backend, TRUST_ELSEWHERE) * np.sqrt(len(features))
    pull = np.zeros((kinds, features.shape[1] + 1))
    pull[np.arange(kinds), np.arange(kinds)] = trust
    from scipy.optimize import nnls  # late: a machine that only trains need not have it

    solution, _ = nnls(np.vstack([rows, pull]), np.concatenate([np.ones(len(rows)), np.full(kinds, trust)]))
    return solution[:-1], float(solution[-1])


def judged(predicted: np.ndarray, measured: np.ndarray) -> tuple[float, float]:
    """Return Kendall's tau-b and the median relative error of predictions (N,) for measurements (N,); tau is 0 where one is constant."""
    from scipy.stats import kendalltau

    tau = float(kendalltau(predicted, measured).statistic) if len(measured) > 1 else 0.0
    return (tau if np.isfinite(tau) else 0.0), float(np.median(np.abs(predicted - measured) / measured))


def repeatability(passes: np.ndarray) -> float | None:
    """Return the mean of Kendall's tau-b between every two passes of measurements (N, P), or None where there is one pass only."""
    pairs = [judged(passes[:, first], passes[:, second])[0] for second in range(passes.shape[1]) for first in range(second)]
    return float(np.mean(pairs)) if pairs else None


class LatencyPredictor:
    """Predicts ``latency_ms`` of a space's candidates, milliseconds for one image; lower is better."""

    def __init__(self, owners: Owners, times: LayerTimes, fit: Fit, *, setting: Setting) -> None:
        self._owners = owners
        self._times = times
        self.fit = fit
        self.setting = setting

    def predict(self, columns: np.ndarray) -> np.ndarray:
        """Return the milliseconds, float64 (N,), of candidates given as value indices: integers (N, decisions)."""
        tables, large = self._tables
        found = np.empty(len(columns))
        for start in range(0, len(columns), CHUNK):
            rows = np.ascontiguousarray(columns[start : start + CHUNK].T)
            part = summed(tables, rows)[:, 0]
            for owner in large:
                part = part + self._owners.features(owner, rows, self._times) @ self.fit.vector
            found[start : start + CHUNK] = part + self.fit.constant_ms
        return found

    def least(self) -> tuple[float, np.ndarray] | None:
        """Return the fewest milliseconds of the whole space and the row (decisions,) that takes them, to a nanosecond.

        None where an owner has too many combinations for a table.
        """
        tables, large = self._tables
        if large:
            return None
        factors = [(table.decisions, np.rint(table.values[..., 0] * 1e6).astype(np.int64)) for table in tables]
        _, chosen = minimize(factors, self._owners.controls.sizes)
        row = np.array(chosen)
        return float(self.predict(row[None])[0]), row

    def of(self, supernet: Supernet, candidate: Candidate) -> float:
        """Return the milliseconds of any candidate, one that is not of the space included (the full generator)."""
        features = np.zeros(len(FEATURES))
        for call in self._owners.program.made_by(candidate, kept_channels(supernet, candidate)):
            features[FEATURES.index(call.kind)] += self._times.of(call.template, call.numbers, call.kind)
            features[FEATURES.index("calls")] += 1
        return float(features @ self.fit.vector) + self.fit.constant_ms

    @cached_property
    def _tables(self) -> tuple[list[FeatureTable], list[str]]:
        tables, large = tables_of(self._owners, self._times)
        return merged([table.weighed(self.fit.vector) for table in tables]), large

    def provenance(self) -> dict[str, Any]:
        """Return what must be said beside a predicted latency, JSON-ready."""
        return {
            "predicted": True,
            "device": self.setting.device,
            "backend": self.setting.backend,
            "threads": self.setting.threads,
            "versions": dict(self.setting.versions),
            "tau": round(self.fit.tau, 4),
            "median_error": round(self.fit.median_error, 4),
            "held_out": self.fit.held_out,
        }

    def __str__(self) -> str:
        return f"predicted from {self.fit.calls} measured layers on {self.setting}: {self.fit}"
