"""What another search found, for one that begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autogc.errors import AutogcError, ConfigError
from autogc.metrics.catalogue import METRICS
from autogc.search.encoding import Encoding
from autogc.search.ledger import Ledger
from autogc.search.pareto import front


@dataclass(frozen=True)
class Past:
    """The complete evaluations of another search over the same decisions.

    ``rows`` int64 (N, decisions); ``scores`` by name, float64 (N,), NaN where one has none; ``front`` are the places of its front's
    members, the cheapest first.
    """

    source: str
    rows: np.ndarray
    scores: Mapping[str, np.ndarray]
    front: tuple[int, ...]

    @classmethod
    def read(cls, source: str | Path, encoding: Encoding, objectives: Sequence[str]) -> Past:
        """Read the ledger of the run directory ``source``.

        Evaluations with a value that this space does not offer are left out. Raises ConfigError where there is no ledger, the decisions are
        others, or nothing is left.
        """
        where = f"search.start_from: {source}"
        directory = Path(source) / "search"
        if not (directory / "ledger").is_dir():
            raise ConfigError(f"{where} has no evaluations (no {directory / 'ledger'}); name the run directory of a search")
        try:
            complete = [one for one in Ledger(directory).read() if one.state == "complete"]
        except AutogcError as error:
            raise ConfigError(f"{where}: {error}") from None
        names = {decision.name for decision in encoding.space.decisions}
        others = sorted({name for one in complete for name in names.symmetric_difference(one.genotype)})
        if others:
            shown = ", ".join(others[:6]) + (f" and {len(others) - 6} more" if len(others) > 6 else "")
            raise ConfigError(f"{where} searched other decisions ({shown} are decided by one of the two searches only)")
        values = {decision.name: decision.values for decision in encoding.space.decisions}
        usable = [one for one in complete if all(value in values[name] for name, value in one.genotype.items())]
        if not usable:
            raise ConfigError(f"{where}: of {len(complete)} complete evaluations none has only values that this space offers")
        scored = sorted({name for one in usable for name in one.scores})
        # By the objectives of this search, where it was scored by them; else by what it was scored by.
        known = [name for name in objectives if name in scored or name not in METRICS]
        members = {one.candidate.hash for one in front(usable, known if set(known) & set(scored) else [scored[0], *known])}
        costs = [min(one.costs.values(), default=0.0) if "macs" not in one.costs else one.costs["macs"] for one in usable]
        places = sorted((index for index, one in enumerate(usable) if one.candidate.hash in members), key=lambda index: costs[index])
        return cls(
            str(source),
            np.stack([encoding.row(one.genotype) for one in usable]),
            {name: np.array([one.scores.get(name, np.nan) for one in usable]) for name in scored},
            tuple(places),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        scores = {name: [None if np.isnan(value) else float(value) for value in values] for name, values in self.scores.items()}
        return {"source": self.source, "rows": self.rows.tolist(), "scores": scores, "front": list(self.front)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Past:
        """Read what ``to_json`` gave."""
        scores = {name: np.array([np.nan if value is None else value for value in values]) for name, values in data["scores"].items()}
        return cls(data["source"], np.array(data["rows"], dtype=np.int64), scores, tuple(data["front"]))
