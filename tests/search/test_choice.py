"""The choice by limits on scores, against a brute-force reading of what it means."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from test_pareto import evaluation

from autogc.config.experiment import COSTS, ExportConfig, SearchConfig
from autogc.config.pick import parse_costs, parse_pick, pick_text
from autogc.errors import AutogcError
from autogc.search.choice import NEARLY, choose, finalists, limits_of
from autogc.search.ledger import Evaluation
from autogc.search.pareto import eligible, front

OBJECTIVES = ("fid", "macs")
TEACHER = {"fid": 10.0, "miou": 0.5}


def trials(found: list[Evaluation]) -> list[int]:
    return [one.trial for one in found]


def test_limits_go_by_the_metrics_direction() -> None:
    assert limits_of({"fid": "10%", "miou": "10%"}, TEACHER) == pytest.approx({"fid": 11.0, "miou": 0.45})
    assert limits_of({"fid": 30, "psnr": 29.5}, {}) == {"fid": 30.0, "psnr": 29.5}
    assert limits_of({"psnr": "50%"}, {"psnr": -2.0}) == {"psnr": -3.0}


@pytest.mark.parametrize(("teacher", "said"), [({"fid": 0.0}, "that is 0"), ({"fid": math.inf}, "that is inf"), ({}, "is not known")])
def test_a_share_of_nothing_is_refused(teacher: dict[str, float], said: str) -> None:
    with pytest.raises(AutogcError, match=f"fid: 10% of the teacher's says nothing, since .*{said}; give a number"):
        limits_of({"fid": "10%"}, teacher)


def test_a_choice_says_where_it_is_not_sure() -> None:
    sure, unsure = evaluation(0, fid=8.0, miou=0.6, macs=10.0), evaluation(0, fid=10.5, miou=0.6, macs=10.0)
    intervals = {"fid": [9.0, 11.5], "miou": [0.55, 0.65]}
    for one, said in ((sure, False), (unsure, True)):
        shifted = {**intervals, "fid": [end + one.scores["fid"] - 10.5 for end in intervals["fid"]]}
        known = replace(one, provenance={**one.provenance, "intervals": shifted})
        why = choose([known], OBJECTIVES, {"fid": "10%", "miou": "10%"}, teacher=TEACHER).why
        assert why.endswith("; not surely: fid 10.5 (9 to 11.5 for 95 % of resamples of the images)") == said
        assert "miou 0.6 (" not in why


def test_the_cheapest_that_meets_every_limit() -> None:
    evaluations = [
        evaluation(0, fid=10.5, miou=0.40, macs=10.0),  # cheaper, and fails the second
        evaluation(1, fid=11.5, miou=0.50, macs=20.0),  # cheaper, and fails the first
        evaluation(2, fid=11.0, miou=0.45, macs=30.0),  # on both limits exactly
        evaluation(3, fid=10.0, miou=0.55, macs=30.0),  # as cheap, and better
        evaluation(4, fid=1.0, miou=0.90, macs=40.0),
        evaluation(5, state="failed", macs=1.0),
    ]
    choice = choose(evaluations, OBJECTIVES, {"fid": "10%", "miou": "10%"}, teacher=TEACHER)
    assert choice.evaluation.trial == 3 and choice.misses == {}
    assert choice.why == (
        f"{evaluations[3].candidate.hash}: the cheapest (macs 30) of 3 in 5 subnets with fid at most 11 (within 10% of the teacher's 10), "
        "miou at least 0.45 (within 10% of the teacher's 0.5)"
    )


def test_where_none_qualifies_the_nearest_and_by_how_much() -> None:
    evaluations = [evaluation(0, fid=12.0, miou=0.2, macs=1.0), evaluation(1, fid=16.0, miou=0.4, macs=9.0)]
    # Shares of the limits 8 and 0.5: trial 0 misses by 0.5 and 0.6, trial 1 by 1.0 and 0.2.
    choice = choose(evaluations, OBJECTIVES, {"fid": 8, "miou": 0.5}, teacher={})
    assert choice.evaluation.trial == 0
    assert choice.misses == pytest.approx({"fid": 4.0, "miou": 0.3}) and choice.limits == {"fid": 8.0, "miou": 0.5}
    assert (
        "none of 2 subnets has fid at most 8, miou at least 0.5; this is the nearest, and misses fid 12 by 4, miou 0.2 by 0.3" in choice.why
    )


def test_it_is_what_brute_force_finds() -> None:
    draw = random.Random(0)
    for _ in range(200):
        evaluations = [evaluation(k, fid=draw.randint(5, 15), miou=draw.randint(1, 9) / 10, macs=draw.randint(1, 6)) for k in range(8)]
        limits = {"fid": float(draw.randint(4, 16)), "miou": draw.randint(1, 9) / 10}
        chosen = choose(evaluations, OBJECTIVES, dict(limits), teacher={})
        meeting = [one for one in evaluations if one.scores["fid"] <= limits["fid"] and one.scores["miou"] >= limits["miou"]]
        if meeting:
            assert chosen.evaluation in meeting and not chosen.misses
            assert chosen.evaluation.costs["macs"] == min(one.costs["macs"] for one in meeting)
        else:
            shares = [
                max((one.scores["fid"] - limits["fid"]) / limits["fid"], (limits["miou"] - one.scores["miou"]) / limits["miou"])
                for one in evaluations
            ]
            assert shares[evaluations.index(chosen.evaluation)] == pytest.approx(min(shares)) and chosen.misses


def test_a_score_that_the_search_did_not_take_is_refused() -> None:
    with pytest.raises(AutogcError, match="did not score its candidates by psnr"):
        choose([evaluation(0, fid=1.0, macs=1.0)], OBJECTIVES, {"psnr": 20}, teacher={})
    with pytest.raises(AutogcError, match="none of them meets macs at most 0"):
        choose([evaluation(0, fid=1.0, macs=1.0)], OBJECTIVES, {"fid": 20}, teacher={}, constraints={"macs": 0})


def test_names_and_hashes_stay() -> None:
    evaluations = [evaluation(k, fid=fid, macs=macs) for k, (fid, macs) in enumerate([(10, 100), (12, 30), (50, 10), (60, 90)])]
    picks = {"knee": 1, "best": 0, "smallest": 2, evaluations[3].candidate.hash[:7]: 3}
    for pick, trial in picks.items():
        assert choose(evaluations, OBJECTIVES, pick, teacher={}).evaluation.trial == trial
        assert trials(finalists(evaluations, OBJECTIVES, pick, 1, teacher={})) == [trial]
    assert trials(finalists(evaluations, OBJECTIVES, evaluations[3].candidate.hash, 3, teacher={})) == [3]
    assert trials(finalists(evaluations, OBJECTIVES, "best", 2, teacher={})) == [0, 1]
    assert trials(finalists(evaluations, OBJECTIVES, "smallest", 9, teacher={})) == [2, 1, 0], "trial 3 is not on the front"


def test_finalists_are_the_choice_and_cheaper_ones_that_nearly_qualify() -> None:
    # A front: macs 1 to 10, fid 20 down to 11; the limit 12 is first met at macs 9.
    evaluations = [evaluation(k, fid=20.0 - k, macs=1.0 + k) for k in range(10)]

    def taken(count: int, **limits: float) -> list[int]:
        return trials(finalists(evaluations, OBJECTIVES, limits, count, teacher={}))

    assert taken(1, fid=12) == [8]
    near = [one.trial for one in evaluations if 12 < one.scores["fid"] <= 12 * (1 + NEARLY)]
    assert near == [2, 3, 4, 5, 6, 7]
    assert taken(4, fid=12) == [8, 2, 4, 7], "spread over those that nearly qualify, both ends among them"
    assert taken(2, fid=12) == [8, 7]
    # Then those that miss by more, the least first; then what is dearer.
    assert taken(8, fid=12) == [8, *near, 1] and taken(99, fid=12) == [8, *near, 1, 0, 9]
    # Where none qualifies, the nearest is the dearest, and the others are cheaper.
    assert taken(3, fid=10) == [9, 5, 8]


def test_a_fine_tuned_cheap_one_is_found() -> None:
    """The same choice, made once more of what fine-tuning made of the finalists."""
    before = [evaluation(k, fid=fid, macs=macs) for k, (fid, macs) in enumerate([(13.0, 5.0), (11.0, 9.0)])]
    assert choose(before, OBJECTIVES, {"fid": 12}, teacher={}).evaluation.trial == 1
    after = [evaluation(0, fid=11.9, macs=5.0), evaluation(1, fid=10.0, macs=9.0)]
    assert choose(after, OBJECTIVES, {"fid": 12}, teacher={}).evaluation.trial == 0


def test_scores_as_constraints() -> None:
    evaluations = [
        evaluation(0, fid=10.0, miou=0.5, macs=9.0),
        evaluation(1, fid=20.0, miou=0.3, macs=3.0),
        evaluation(2, fid=9.0, macs=99.0),
    ]
    assert trials(eligible(evaluations, OBJECTIVES, {"miou": 0.4})) == [0]
    assert trials(eligible(evaluations, OBJECTIVES, {"fid": 10, "macs": 50})) == [0]
    assert trials(front(evaluations, OBJECTIVES, {"macs": 50})) == [0, 1]
    # None meets it: what meets the limits on costs is left, so that there is a front at all.
    assert trials(eligible(evaluations, OBJECTIVES, {"miou": 0.9, "macs": 50})) == [0, 1]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("knee", "knee"),
        ("3f2a", "3f2a"),
        ("fid:10%, psnr:29.5", {"fid": "10%", "psnr": 29.5}),
        ({"fid": "10 %", "miou": 5}, {"fid": "10%", "miou": 5.0}),
    ],
)
def test_a_pick_is_read_the_same_from_a_file_and_a_command_line(given: Any, read: Any) -> None:
    config = ExportConfig(pick=given)
    assert config.pick == read
    assert ExportConfig.model_validate(config.model_dump(mode="json")) == config
    assert ExportConfig(pick=pick_text(config.pick)).pick == read


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"fidd": "10%"}, "'fidd' is not one of fid"),
        ({"fid": "ten"}, "fid must be a number, or a part of the teacher's such as 10%, got 'ten'"),
        ({"fid": True}, "got True"),
        ({}, "needs at least one score"),
        ("fid:", "fid must be a number"),
    ],
)
def test_what_a_pick_cannot_be(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_pick(given, scores=("fid", "miou"))


def test_limits_on_costs_are_read_with_their_powers_of_a_thousand() -> None:
    read = parse_costs("macs:17.2M,storage_bytes: 50k, bops:2G,params:.5M,peak_activation_bytes:1e6", costs=COSTS)
    assert read == {"macs": 17_200_000, "storage_bytes": 50_000, "bops": 2e9, "params": 500_000, "peak_activation_bytes": 1e6}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("fid:3", "'fid' is not one of macs"),
        ("macs", "macs must be a positive number, such as 17.2M, got ''"),
        ("macs:-3", "got '-3'"),
        ("macs:3 m", "got '3 m'"),
        ("macs:ten,speed:1", "macs must be .*; 'speed' is not one of"),
        ("", "'' is not one of"),
    ],
)
def test_what_limits_on_costs_cannot_be(given: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_costs(given, costs=COSTS)


def test_the_config_tells_costs_from_scores() -> None:
    search = SearchConfig(objectives=("fid", "macs"), constraints={"fid": 30, "macs": 100})
    assert search.cost_limits == {"macs": 100}
    with pytest.raises(ValueError, match="constraint 'speed' is not one of fid"):
        SearchConfig(constraints={"speed": 1})
