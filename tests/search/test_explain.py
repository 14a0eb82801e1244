from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from simulation import SimulatedEvaluator, Simulation

from autogc.cost import CostModel
from autogc.errors import AutogcError
from autogc.search.explain import Explanation, explain
from autogc.search.ledger import Evaluation
from autogc.search.screening import Bar
from autogc.supernet import Candidate, Space
from autogc.tracking.explained import HEAD, basis, explained_lines, explained_png

Simulate = Callable[..., Simulation]


@dataclass
class TwoDecisions(SimulatedEvaluator):
    """A score that two decisions make: the pruning of the blocks, and, half as much, the bits of the tail's activations."""

    def evaluate(self, candidate: Candidate, bar: Bar | None = None) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
        pruned = max(
            (float(value) for name, value in candidate.choices.get("element_pruning", {}).items() if "blocks" in name), default=0.0
        )
        coarse = any(name in ("up1.conv", "up2.conv", "head.conv") for name in candidate.choices.get("activation_bits", {}))
        return {"fid": 30.0 + 40.0 * pruned + 5.0 * coarse, "miou": 0.5 - 0.2 * pruned}, {}, {}


@pytest.fixture
def evaluated(simulate: Simulate) -> list[Evaluation]:
    return simulate(evaluations=60, evaluator=TwoDecisions()).run().evaluations


@pytest.mark.parametrize("score", ["fid", "miou"])
def test_it_finds_what_makes_the_score(score: str, evaluated: list[Evaluation], space: Space, costs: CostModel) -> None:
    found = explain(evaluated, score, space=space, costs=costs)
    first = found.effects[0]
    assert (first.decision, first.stage, first.dimension) == ("element_pruning/blocks", "blocks", "element_pruning")
    expected = {"fid": (31.0, 41.0, 51.0), "miou": (0.5, 0.45, 0.4)}[score]
    assert first.scores == pytest.approx(expected, rel=0.08)
    assert found.agreement > 0.7 and sum(first.tried) == found.evaluations == 60
    if score == "fid":
        second = found.effects[1]
        assert second.decision == "activation_bits/tail" and second.share < first.share
    assert all(effect.share < 0.05 for effect in found.effects[2:])
    assert found.shares["blocks"]["element_pruning"] == pytest.approx(first.share, abs=0.05)


def test_shares_are_those_of_the_variance(evaluated: list[Evaluation], space: Space, costs: CostModel) -> None:
    # Independent and additive: each decision's share is its variance as a part of the whole.
    pruned = np.var([30, 40, 50])
    coarse = np.var([0, 5])
    found = {effect.decision: effect.share for effect in explain(evaluated, "fid", space=space, costs=costs).effects}
    assert found["element_pruning/blocks"] == pytest.approx(pruned / (pruned + coarse), abs=0.08)
    assert found["activation_bits/tail"] == pytest.approx(coarse / (pruned + coarse), abs=0.05)


def test_what_the_chosen_subnet_would_regain(evaluated: list[Evaluation], space: Space, costs: CostModel) -> None:
    chosen = max(evaluated, key=lambda one: one.scores["fid"])
    found = explain(evaluated, "fid", space=space, costs=costs, chosen=chosen)
    first = found.effects[0]
    assert first.regained == pytest.approx(20.0, rel=0.15) and first.paid == 1.0, "pruned elements cost MACs all the same"
    width = next(effect for effect in found.effects if effect.dimension == "width" and effect.regained is not None)
    assert width.paid is not None and width.paid > 1.0
    kept = [effect for effect in found.effects if chosen.genotype[effect.decision] == effect.values[0]]
    assert all(effect.regained is None and effect.paid is None for effect in kept)


def test_too_few_evaluations_are_said(evaluated: list[Evaluation], space: Space, costs: CostModel) -> None:
    with pytest.raises(AutogcError, match="9 complete evaluations with fid tell nothing of the decisions; search on until 10 have it"):
        explain(evaluated[:9], "fid", space=space, costs=costs)


def test_the_table_and_the_figure(evaluated: list[Evaluation], space: Space, costs: CostModel, tmp_path: Path) -> None:
    found = explain(evaluated, "fid", space=space, costs=costs, chosen=evaluated[1])
    lines = explained_lines(found)
    assert len(lines) == 12 and all(len(line) == len(HEAD) for line in lines)
    assert lines[0][1] == "element_pruning/blocks" and "0.25: 4" in lines[0][3]
    assert "a model of 60 evaluations" in basis(found)
    path = tmp_path / "explained.png"
    explained_png(found, path)
    assert Image.open(path).size == (2200, 1120)
    told = json.loads(json.dumps(found.to_json()))
    assert told["effects"][0]["decision"] == "element_pruning/blocks" and isinstance(found, Explanation)
