from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autogc.config.experiment import Experiment
from autogc.search.ledger import Evaluation
from autogc.supernet.candidate import Candidate

BEGIN = datetime(2026, 11, 21, tzinfo=UTC)
PROVENANCE = {"feature_network": "a segmenter trained on streets (synthetic)", "segmenter": "the same", "images": 32}

# fid, mIoU, MACs: trials 0, 1 and 3 are the front of (fid, macs); 2 is dominated by 1.
VALUES = [(50.0, 0.30, 1.0e9), (30.0, 0.40, 2.0e9), (45.0, 0.45, 3.0e9), (20.0, 0.35, 4.0e9)]


def evaluation_of(trial: int, scores: dict[str, float], costs: dict[str, float], **changes: Any) -> Evaluation:
    genotype = {"width/stem": 8 * (trial + 1), "weight_bits/blocks": 8, "a decision with * in it": "dense"}
    given: dict[str, Any] = {
        "trial": trial,
        "candidate": Candidate({"width": {"stem": 8 * (trial + 1)}}),
        "genotype": genotype,
        "state": "complete",
        "reason": None,
        "scores": scores,
        "costs": costs,
        "provenance": PROVENANCE,
        "seed": 7,
        "versions": {"autogc": "0"},
        "started": BEGIN + timedelta(seconds=10 * trial),
        "finished": BEGIN + timedelta(seconds=10 * trial + 5),
        "worker": "here",
    }
    return Evaluation(**given | changes)


@pytest.fixture
def evaluations() -> list[Evaluation]:
    """Four complete evaluations, then one that failed and one whose FID is infinite."""
    found = [
        evaluation_of(trial, {"fid": fid, "miou": miou}, {"macs": macs, "storage_bytes": macs / 1000, "params": 1e5})
        for trial, (fid, miou, macs) in enumerate(VALUES)
    ]
    failed = evaluation_of(4, {}, {"macs": 5e8}, state="failed", reason="images hold NaN")
    infinite = evaluation_of(5, {"fid": float("inf"), "miou": 0.1}, {"macs": 4e8})
    return [*found, failed, infinite]


@pytest.fixture
def experiment() -> Experiment:
    return make_experiment()


@pytest.fixture
def experiment_with() -> Callable[..., Experiment]:
    return make_experiment


def make_experiment(**changes: Any) -> Experiment:
    training = {"steps": 1}
    given: dict[str, Any] = {
        "name": "small",
        "data": {"name": "streets"},
        "generator": {"name": "resnet"},
        "discriminator": {"name": "patchgan"},
        "teacher": training,
        "supernet": training,
        "finetune": training,
        "space": {"stages": {"all": ("*",)}, "dimensions": {"width": {"choices": {"*": (8, 16)}}}},
    }
    return Experiment(**given | changes)
