"""The precision that a search evaluates in: chosen by what it does to scores, once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from simulation import FakeJudge, FakeSplit

from autogc.config.experiment import SearchConfig
from autogc.cost import CostModel
from autogc.errors import MetricError
from autogc.files import read_json
from autogc.progress import Silent
from autogc.search import driver, precision
from autogc.search.precision import Precisions, choose
from autogc.supernet.candidate import Candidate
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet

EXACT, JUDGE, BOTH = Precisions(), Precisions("float32", "bfloat16"), Precisions("bfloat16", "bfloat16")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "quick_in_bfloat16", lambda device: True)


class Clock:
    """Goes on by what a scoring takes: less, the more of it is in bfloat16."""

    def __init__(self, speedup: float = 0.25) -> None:
        self.seconds, self.speedup = 0.0, speedup

    def __call__(self) -> float:
        return self.seconds

    def scored(self, precisions: Precisions) -> None:
        self.seconds += 1.0 - self.speedup * (precisions.generator, precisions.judge).count("bfloat16")


def chosen(
    space: Space, path: Path, moves: dict[str, float], *, fid: float = 20.0, asked: str = "auto", speedup: float = 0.25
) -> tuple[Precisions, list[str]]:
    """Choose where each precision moves FID by so much; return what was chosen, and what was tried."""
    tried: list[str] = []
    clock = Clock(speedup)

    def scores(candidate: Candidate, precisions: Precisions) -> dict[str, float]:
        assert candidate.hash in (space.candidate(space.largest()).hash, space.candidate(space.smallest()).hash)
        tried.append(str(precisions))
        clock.scored(precisions)
        return {"fid": fid + moves.get(str(precisions), 0.0)}

    found = choose(asked, device=torch.device("cpu"), space=space, scores=scores, directory=path, progress=Silent(), now=clock)
    return found, tried


def test_float32_and_bfloat16_are_taken_at_their_word(space: Space, tmp_path: Path) -> None:
    assert chosen(space, tmp_path, {}, asked="float32") == (EXACT, [])
    assert chosen(space, tmp_path, {}, asked="bfloat16") == (BOTH, [])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("move", "fid", "steady"), [(0.09, 20.0, True), (-0.09, 20.0, True), (0.11, 20.0, False), (0.02, 1.0, False)])
def test_fid_may_move_by_less_than_a_tenth_and_a_hundredth_of_itself(
    small_space: Space, tmp_path: Path, move: float, fid: float, steady: bool
) -> None:
    found, _ = chosen(small_space, tmp_path, {str(BOTH): move}, fid=fid)
    assert (found.generator, found.judge) == (("bfloat16", "bfloat16") if steady else ("float32", "bfloat16"))


def test_what_moves_scores_is_not_used_and_the_search_that_goes_on_does_not_ask_again(small_space: Space, tmp_path: Path) -> None:
    found, tried = chosen(small_space, tmp_path, {str(BOTH): 1.0, str(JUDGE): 1.0})
    assert (found.generator, found.judge) == ("float32", "float32") and len(tried) == 7
    assert found.moved[str(JUDGE)] == {"scores": [{"fid": [20.0, 21.0]}] * 2, "seconds": [2.0, 1.5]}
    assert chosen(small_space, tmp_path, {}) == (found, [])
    assert read_json(tmp_path / "precision.json")["generator"] == "float32"


def test_what_is_not_quicker_is_not_used(small_space: Space, tmp_path: Path) -> None:
    found, tried = chosen(small_space, tmp_path, {}, speedup=-0.1)
    assert (found.generator, found.judge) == ("float32", "float32") and len(tried) == 7
    assert found.moved[str(BOTH)]["seconds"] == [2.0, 2.4]


def test_few_bits_are_no_numbers_of_bfloat16(space: Space, tmp_path: Path) -> None:
    assert any("activation_bits" in str(decision.outcomes) for decision in space.decisions)
    found, tried = chosen(space, tmp_path, {})
    assert (found.generator, found.judge) == ("float32", "bfloat16") and str(BOTH) not in tried


def test_a_machine_that_is_not_quicker_in_it_stays_with_float32(
    small_space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "quick_in_bfloat16", lambda device: False)
    found, tried = chosen(small_space, tmp_path, {})
    assert (found, tried) == (EXACT, [])


@pytest.mark.parametrize("error", [MetricError("the generator's picture holds NaN"), RuntimeError("not implemented for 'BFloat16'")])
def test_a_precision_in_which_a_subnet_cannot_be_judged_is_not_used(small_space: Space, tmp_path: Path, error: Exception) -> None:
    clock = Clock()

    def scores(candidate: Candidate, precisions: Precisions) -> dict[str, float]:
        clock.scored(precisions)
        if precisions.generator == "bfloat16":
            raise error
        return {"fid": 20.0}

    given: Any = {"device": torch.device("cpu"), "space": small_space, "directory": tmp_path, "progress": Silent(), "now": clock}
    found = choose("auto", scores=scores, **given)
    assert (found.generator, found.judge) == ("float32", "bfloat16") and found.moved[str(BOTH)]["scores"] == [None, None]


def test_a_subnet_that_cannot_be_judged_at_all_says_nothing_of_precisions(small_space: Space, tmp_path: Path) -> None:
    smallest = small_space.candidate(small_space.smallest()).hash
    clock = Clock()

    def scores(candidate: Candidate, precisions: Precisions) -> dict[str, float]:
        clock.scored(precisions)
        if candidate.hash == smallest or failing:
            raise MetricError("the generator's picture holds NaN")
        return {"fid": 20.0}

    for failing, expected in ((False, BOTH), (True, EXACT)):
        place = tmp_path / str(failing)
        given: Any = {"device": torch.device("cpu"), "space": small_space, "directory": place, "progress": Silent(), "now": clock}
        found = choose("auto", scores=scores, **given)
        assert (found.generator, found.judge) == (expected.generator, expected.judge)


def test_the_judge_is_left_where_the_other_stages_use_it(
    supernet: Supernet, small_space: Space, small_costs: CostModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "search_with", lambda make_evaluator, **given: make_evaluator())
    experiment: Any = SimpleNamespace(
        name="test", seed=0, search=SearchConfig(precision="auto", batch_size="auto"), scores=None, scored=("fid",)
    )
    judge: Any = FakeJudge("cuda")
    data: Any = SimpleNamespace(validation=FakeSplit())
    evaluator: Any = driver.run_search(
        experiment, supernet=supernet, space=small_space, costs=small_costs, judge=judge, data=data, directory=tmp_path
    )
    assert evaluator.precisions.moved and judge.device.type == "cuda"
    assert evaluator.batch_size == read_json(tmp_path / "batch_size.json")["batch_size"]
