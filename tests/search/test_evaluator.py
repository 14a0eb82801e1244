from __future__ import annotations

import json
import math
import pickle
from typing import Any

import pytest
import torch
from simulation import FakeJudge, FakeSplit

from autogc.errors import MetricError
from autogc.models import GENERATORS
from autogc.search.evaluator import CandidateEvaluator, Outcome, evaluate
from autogc.search.screening import Bar
from autogc.supernet import Candidate, Space, Supernet


def make(supernet: Supernet, **changed: Any) -> CandidateEvaluator:
    args: dict[str, Any] = {
        "supernet": supernet,
        "judge": FakeJudge(),
        "split": FakeSplit(),
        "metrics": ("fid",),
    }
    return CandidateEvaluator(**{**args, "seed": 0, **changed})


def test_a_b_a_gives_the_same_a_and_what_is_scored_is_the_extracted_subnet(supernet: Supernet, space: Space) -> None:
    a, b = space.candidate(space.smallest()), space.candidate(space.largest())
    evaluator = make(supernet)
    first, other, again = (evaluate(evaluator, candidate) for candidate in (a, b, a))
    assert first.state == "complete" and first.scores == again.scores != other.scores
    with torch.no_grad():
        image = supernet.extract(a).eval()(FakeSplit().inputs)
    assert first.scores["fid"] == pytest.approx(float(image.double().std()) * 100)
    assert first.seed == again.seed != other.seed
    assert first.seed != make(supernet, seed=1).seed_of(a)
    assert first.provenance == {
        "network": "fake",
        "images": None,
        "precision": "generator float32, networks that judge float32",
        "batch_size": 16,
    }


def test_it_survives_pickling_and_scores_alike(supernet: Supernet, space: Space) -> None:
    candidate = space.candidate(space.smallest())
    evaluator = make(supernet, images=2)
    copied = pickle.loads(pickle.dumps(evaluator))
    assert evaluate(copied, candidate).scores == evaluate(evaluator, candidate).scores


def test_running_statistics_are_the_candidates_own() -> None:
    torch.manual_seed(0)
    generator = GENERATORS.build("resnet", {"base_channels": 16, "blocks": 1, "norm": "batch"}, in_channels=4, out_channels=3)
    supernet = Supernet.convert(generator, torch.zeros(1, 4, 16, 24), verify=False)
    a, b = Candidate({"width": {"stem.conv": 8}}), Candidate({"width": {"down1.conv": 16}})
    batches = [torch.randn(3, 4, 16, 24, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    evaluator = make(supernet, calibration=batches)
    first, other, again = (evaluate(evaluator, candidate) for candidate in (a, b, a))
    assert first.state == "complete" and first.scores == again.scores != other.scores
    with torch.no_grad():
        image = supernet.extract(a, supernet.calibrate(a, batches))(FakeSplit().inputs)
    assert first.scores["fid"] == pytest.approx(float(image.double().std()) * 100)
    lacking = evaluate(make(supernet), a)
    assert lacking.state == "failed" and "calibration inputs" in str(lacking.reason)


def test_nothing_is_timed_and_how_latency_was_predicted_is_said(supernet: Supernet, space: Space) -> None:
    candidate = space.candidate(space.smallest())
    assert "latency" not in evaluate(make(supernet), candidate).provenance
    said = {"predicted": True, "tau": 0.95}
    outcome = evaluate(make(supernet, latency=said), candidate)
    assert outcome.costs == {} and outcome.provenance["latency"] == said


def test_an_outcome_is_json(supernet: Supernet, space: Space) -> None:
    outcome = evaluate(make(supernet, latency={"predicted": True}), space.candidate(space.smallest()))
    assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (MetricError("NaN in 3 images"), "MetricError: NaN in 3 images"),
        (RuntimeError("out of memory"), "RuntimeError: out of memory"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_candidate_can_cause_is_a_failed_evaluation(raised: Exception, reason: str) -> None:
    outcome = evaluate(Raising(raised), Candidate({}))
    assert (outcome.state, outcome.reason, outcome.scores) == ("failed", reason, {})


def test_a_defect_is_not_hidden() -> None:
    with pytest.raises(TypeError):
        evaluate(Raising(TypeError("a defect")), Candidate({}))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_no_number_fails(value: float) -> None:
    outcome = evaluate(Raising(None, fid=value), Candidate({}))
    assert (outcome.state, outcome.reason, outcome.scores) == ("failed", f"MetricError: fid is {value}", {"miou": 0.5})


class Raising:
    def __init__(self, raised: Exception | None, *, fid: float = 0.0) -> None:
        self.raised = raised
        self.fid = fid

    def seed_of(self, candidate: Candidate) -> int:
        return len(candidate.choices)

    def evaluate(self, candidate: Candidate, bar: Bar | None = None) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
        if self.raised is not None:
            raise self.raised
        return {"fid": self.fid, "miou": 0.5}, {}, {}
