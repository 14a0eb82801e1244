"""The watch in the supernet's stage: a good supernet passes, a collapsed one is refused, nothing is disturbed, kills leave it whole."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_experiment import OPTIMIZATION, make_experiment

from autogc.config.experiment import Experiment
from autogc.errors import CollapseError
from autogc.files import sha256_file
from autogc.progress import Silent
from autogc.training import newest_step, supernet, train_supernet
from autogc.training.stage import build_data
from autogc.training.watch import note_trivial_teacher


def watched(**changes: Any) -> Experiment:
    """An experiment whose subnets differ from the teacher by 8-bit weights alone, and whose training changes next to nothing."""
    settings = {**OPTIMIZATION, "learning_rate": 1e-9, "decompose": ["blocks.*"], "watch_every": 2, **changes}
    made = make_experiment().model_dump()
    made["space"]["dimensions"] = {"weight_bits": {"choices": {"*": [32, 8]}}}
    made["search"]["constraints"] = {"fid": 1e9, "storage_bytes": 1e9}  # one that only an evaluation can tell, one that counting does
    return Experiment.model_validate({**made, "supernet": settings})


class Heard(Silent):
    def __init__(self, kill_at: int | None = None) -> None:
        self.notes: list[str] = []
        self.figures: list[tuple[int, dict[str, float]]] = []
        self._kill_at = kill_at

    def update(self, done: int, **figures: float) -> None:
        self.figures.append((done, figures))
        if done == self._kill_at and "watch/full_db" not in figures:
            raise Killed

    def note(self, text: str) -> None:
        self.notes.append(text)


class Killed(BaseException):
    pass


def weights_in(directory: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in directory.glob("*.safetensors")}


@pytest.fixture
def zeroed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supernet that starts with nothing in it."""
    convert: Callable[..., Any] = supernet._convert

    def empty(*args: Any, **kwargs: Any) -> Any:
        converted = convert(*args, **kwargs)
        with torch.no_grad():
            for parameter in converted.parameters():
                parameter.zero_()
        return converted

    monkeypatch.setattr(supernet, "_convert", empty)


def test_a_good_supernet_passes_and_is_not_disturbed(stages: Path, tmp_path: Path) -> None:
    heard = Heard()
    train_supernet(watched(), stages / "teacher", tmp_path / "often", progress=heard)
    history = json.loads((tmp_path / "often" / "watch" / "history.json").read_text())
    assert [row["step"] for row in history["rows"]] == [0, 2, 4, 6]
    assert {path.name for path in (tmp_path / "often" / "watch").glob("*.png")} == {"0.png", "2.png", "4.png", "6.png"}
    assert history["subnets"][0]["name"] == "full" and set(history["trivial"]) == {"mean image"}
    assert history["rows"][0]["to_teacher"]["full"] > 60  # it starts as the teacher
    assert history["rows"][-1]["to_teacher"]["smallest"] > history["trivial"]["mean image"]["to_teacher"] + 0.3
    curves = [figures for _, figures in heard.figures if "watch/full_db" in figures]
    assert len(curves) == 4 and {"watch/smallest_db", "watch/trivial_db"} <= set(curves[0])
    assert not [note for note in heard.notes if note.startswith("warning")]
    assert sum(note.startswith("supernet, step") for note in heard.notes) == 4
    train_supernet(watched(watch_every=6, watch_images=2), stages / "teacher", tmp_path / "seldom")
    assert weights_in(tmp_path / "often") == weights_in(tmp_path / "seldom")


def test_a_collapsed_supernet_is_refused_and_can_be_had_all_the_same(zeroed: None, stages: Path, tmp_path: Path) -> None:
    heard = Heard()
    with pytest.raises(CollapseError) as caught:
        train_supernet(watched(), stages / "teacher", tmp_path / "out", progress=heard)
    message = str(caught.value)
    for said in (
        "the supernet is not worth a search: after 6 steps",
        "mean image has",
        str(tmp_path / "out" / "watch" / "6.png"),
        "more supernet.steps (now 6)",
        "supernet.learning_rate (now 1e-09)",
        "--set supernet.accept_trivial=true",
    ):
        assert said in message
    assert sum(note.startswith("warning") for note in heard.notes) == 1  # at step 4, once past the half
    assert not (tmp_path / "out" / "result.json").exists() and newest_step(tmp_path / "out") == 6
    with pytest.raises(CollapseError):  # nothing is trained again, and nothing else is said
        train_supernet(watched(), stages / "teacher", tmp_path / "out")
    after = Heard()
    train_supernet(watched(accept_trivial=True), stages / "teacher", tmp_path / "out", progress=after)
    assert (tmp_path / "out" / "result.json").exists()
    assert not [1 for _, figures in after.figures if "loss" in figures]
    assert any("accept_trivial is true" in note for note in after.notes)


def test_killed_and_resumed_its_history_is_that_of_an_uninterrupted_one(stages: Path, tmp_path: Path) -> None:
    experiment = watched(accept_trivial=True, learning_rate=1e-3)
    train_supernet(experiment, stages / "teacher", tmp_path / "whole")
    with pytest.raises(Killed):
        train_supernet(experiment, stages / "teacher", tmp_path / "cut", progress=Heard(kill_at=4))
    train_supernet(experiment, stages / "teacher", tmp_path / "cut")
    assert weights_in(tmp_path / "cut") == weights_in(tmp_path / "whole")
    for name in ("history.json", "0.png", "2.png", "4.png", "6.png"):
        assert (tmp_path / "cut" / "watch" / name).read_bytes() == (tmp_path / "whole" / "watch" / name).read_bytes()


def test_a_teacher_that_learned_nothing_is_noted(tmp_path: Path) -> None:
    experiment = make_experiment()
    data, heard = build_data(experiment), Heard()

    class Grey(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(x), 3, *x.shape[-2:])

    given = {"has_critic": True, "device": torch.device("cpu"), "progress": heard}
    assert note_trivial_teacher(experiment, data, Grey(), **given)  # type: ignore[arg-type]
    assert "the teacher is no better than an answer that costs nothing" in heard.notes[0] and "mean image" in heard.notes[0]

    class Knowing(torch.nn.Module):
        """Answers with the real image of each validation input."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            known = data.validation.batch()
            return torch.stack([known.target[int((known.input == one).flatten(1).all(1).nonzero()[0])] for one in x])

    assert not note_trivial_teacher(experiment, data, Knowing(), **given)  # type: ignore[arg-type]
    assert len(heard.notes) == 1
    unlike = make_experiment(losses={"reconstruction_weight": 0.0})
    assert not note_trivial_teacher(unlike, data, Grey(), **given)  # type: ignore[arg-type]
