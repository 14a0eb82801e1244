"""Fine-tuning that keeps its best step by the validation split."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from test_training_stages import Heard, Killed, weights_in
from tiny_experiment import OPTIMIZATION, make_experiment

from autogc.config.experiment import Experiment
from autogc.errors import ConfigError
from autogc.export import load_package
from autogc.metrics import Judge
from autogc.metrics.assessment import Assessment
from autogc.progress import Progress, Silent
from autogc.training import finetune
from autogc.training.validation import BestByValidation
from autogc.training.worker import Worker


class Scripted:
    """A judge whose scores are written down beforehand, and which keeps what it was shown."""

    def __init__(self, *scores: float | tuple[float, ...]) -> None:
        self.scores = list(scores)
        self.asked: list[tuple[str, list[str], int | None]] = []
        self.shown: list[dict[str, torch.Tensor]] = []

    def to(self, device: torch.device) -> None:
        pass

    def score(self, generate: Any, split: Any, *, metrics: list[str], images: int | None) -> Assessment:
        given = self.scores[len(self.asked)]
        self.asked.append((split.name, metrics, images))
        [module] = [cell.cell_contents for cell in generate.__closure__ if isinstance(cell.cell_contents, torch.nn.Module)]
        assert not module.training
        self.shown.append({name: tensor.clone() for name, tensor in module.state_dict().items()})
        return Assessment(dict(zip(metrics, given if isinstance(given, tuple) else (given,), strict=True)))


def validated(objectives: tuple[str, ...] = ("fid", "macs"), **changes: Any) -> Experiment:
    search = {"objectives": list(objectives), "images": 2}
    return make_experiment(finetune={**OPTIMIZATION, "validate_every": 2, **changes}, search=search)


def run(
    experiment: Experiment,
    stages: Path,
    out: Path,
    judge: Scripted | None,
    progress: Progress | None = None,
    limits: dict[str, float] | None = None,
) -> None:
    finetune(
        experiment,
        stages / "teacher",
        stages / "export",
        out,
        discriminator=stages / "supernet" / "discriminator.safetensors",
        judge=cast(Judge, judge),
        limits=limits,
        progress=progress or Silent(),
    )


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("objective", "scores", "kept"),
    [("fid", (5.0, 3.0, 4.0, 3.0), 2), ("miou", (0.1, 0.2, 0.3, 0.4), 6), ("miou", (0.4, 0.3, 0.4, 0.2), 0)],
)
def test_the_best_step_is_written(objective: str, scores: tuple[float, ...], kept: int, stages: Path, tmp_path: Path) -> None:
    judge, heard = Scripted(*scores), Heard()
    run(validated((objective, "macs"), average=0.9), stages, tmp_path / "out", judge, heard)
    assert judge.asked == [("validation", [objective], 2)] * 4
    after, before = load_package(tmp_path / "out"), load_package(stages / "export").module.state_dict()
    assert same(after.module.state_dict(), judge.shown[kept // 2])
    assert same(judge.shown[0], before) and not same(judge.shown[1], before)
    told = {"objective": objective, "scores": [[step, score] for step, score in zip((0, 2, 4, 6), scores, strict=True)], "kept_step": kept}
    assert json.loads((tmp_path / "out" / "result.json").read_text())["validation"] == told
    assert after.provenance["training"]["validation"] == told
    assert [step for step, figures in heard.figures if f"validation_{objective}" in figures] == [0, 2, 4, 6]
    assert any("kept step 0" in note for note in heard.notes) == (kept == 0)


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        # Step 0 has the best FID and misses mIoU by half; step 4 misses neither.
        (((1.0, 0.15), (6.0, 0.29), (4.0, 0.31), (5.0, 0.32)), 4),
        # All miss: the least miss counts, of mIoU at step 2 (a tenth), of FID at step 6 (a fifth).
        (((1.0, 0.15), (4.5, 0.27), (4.0, 0.20), (6.0, 0.40)), 2),
        # None misses: the best FID.
        (((3.0, 0.40), (2.0, 0.31), (2.5, 0.50), (4.9, 0.60)), 2),
    ],
)
def test_what_the_choice_goes_by_decides_which_step_is_kept(
    scores: tuple[tuple[float, float], ...], kept: int, stages: Path, tmp_path: Path
) -> None:
    judge, limits = Scripted(*scores), {"fid": 5.0, "miou": 0.3}
    with pytest.raises(Killed):
        run(validated(average=0.9), stages, tmp_path / "out", Scripted(*scores), Heard(kill_at=4), limits)
    # What it was by which the best so far is the best goes on, whatever is asked for by then.
    run(validated(average=0.9), stages, tmp_path / "out", Scripted(*scores[2:]), limits={"fid": 1e-3, "miou": 0.3})
    run(validated(average=0.9), stages, tmp_path / "whole", judge, limits=limits)
    assert judge.asked[0] == ("validation", ["fid", "miou"], 2)
    told = [json.loads((tmp_path / name / "result.json").read_text())["validation"] for name in ("out", "whole")]
    assert told[0] == told[1] and told[0]["kept_step"] == kept and told[0]["limits"] == limits
    assert same(load_package(tmp_path / "whole").module.state_dict(), judge.shown[kept // 2])


def test_in_bf16_step_0_is_the_package_itself(stages: Path, tmp_path: Path) -> None:
    """An engine's masters of bf16 weights start rounded."""
    run(validated(deepspeed={"bf16": {"enabled": True}}), stages, tmp_path / "out", Scripted(1.0, 2.0, 2.0, 2.0))
    assert same(load_package(tmp_path / "out").module.state_dict(), load_package(stages / "export").module.state_dict())


def test_a_killed_one_keeps_the_same_step(stages: Path, tmp_path: Path) -> None:
    scores = (5.0, 3.0, 4.0, 6.0)
    experiment = validated(average=0.9)
    run(experiment, stages, tmp_path / "whole", Scripted(*scores))
    with pytest.raises(Killed):
        run(experiment, stages, tmp_path / "cut", Scripted(*scores), Heard(kill_at=4))
    # What was seen before the kill is in the checkpoint: only the steps after it are scored.
    judge = Scripted(*scores[2:])
    run(experiment, stages, tmp_path / "cut", judge)
    assert len(judge.asked) == 2
    assert weights_in(tmp_path / "cut") == weights_in(tmp_path / "whole")
    results = [json.loads((tmp_path / name / "result.json").read_text())["validation"] for name in ("cut", "whole")]
    assert results[0] == results[1] and results[0]["kept_step"] == 2


def test_without_a_judge_it_is_refused_before_anything_is_done(stages: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="validate_every needs a judge"):
        run(validated(), stages, tmp_path / "out", None)
    assert not (tmp_path / "out").exists()


def test_workers_that_do_not_lead_score_nothing() -> None:
    class Trainer:
        asked = 0

        def weights(self) -> dict[str, torch.Tensor]:
            self.asked += 1
            return {}

    def score(weights: Any) -> float:
        raise AssertionError("only rank 0 scores")

    trainer = Trainer()
    best = BestByValidation("fid", every=1, start={}, score=score, worker=Worker(rank=1, workers=2, device=torch.device("cpu")))
    assert [best(cast(Any, trainer), step) for step in (0, 1)] == [{}, {}]
    assert trainer.asked == 1, "gathering the weights is collective"
