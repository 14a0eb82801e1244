"""``autogc compare`` on a finished tiny run: killed half-way, finished by the same command, extended by more seeds, pooled."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from tiny_run import TINY, finish

import autogc
from autogc.cli import main
from autogc.errors import ConfigError, MissingStageError
from autogc.pipeline import Run
from autogc.pipeline.compare import Asked, Comparison, compare
from autogc.progress import Silent

FEW = Asked(candidates=3, ranking_steps=2)
COMMAND = ["--candidates", "3", "--ranking-steps", "2"]


class Killed(BaseException):
    pass


class KilledInTraining(Silent):
    """Raises Killed at a step of the training with that name."""

    def __init__(self, training: str, step: int) -> None:
        self.training, self.step, self.current = training, step, ""

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        self.current = task

    def update(self, done: int, **figures: float) -> None:
        if self.current == self.training and done == self.step:
            raise Killed


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Path, int], str]:
    """A finished run that was compared, killed in the middle and finished; what was there at the kill; what was printed."""
    base = tmp_path_factory.mktemp("compared")
    (base / "tiny.yaml").write_text(TINY)
    directory = base / "run"
    finish(autogc.load_experiment(base / "tiny.yaml"), directory)
    with pytest.raises(Killed), Run.reopen(directory, progress=KilledInTraining("distilled alone", 5)) as run:
        compare([run], FEW)
    assert not (directory / "compare" / "comparison.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in directory.glob("compare/*/*/8-steps/seed-0/row.json")}
    result = CliRunner().invoke(main, ["compare", str(directory), *COMMAND])
    assert result.exit_code == 0, result.output
    return directory, kept, result.output


def test_a_killed_comparison_goes_on(compared: tuple[Path, dict[Path, int], str]) -> None:
    directory, kept, printed = compared
    assert {path.parts[-5] for path in kept} == {"uniform", "scratch"}
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert "continuing from step 4" in printed  # distilled alone
    for result in directory.glob("compare/*/*/8-steps/seed-0/result.json"):
        assert json.loads(result.read_text())["steps"] == 8  # of supernet and fine-tuning 4 each
    assert not list(directory.rglob("*.part")) and not list((directory / "compare").rglob("checkpoints"))


def test_the_table_the_words_and_the_files(compared: tuple[Path, dict[Path, int], str]) -> None:
    directory, _, printed = compared
    (outcome,) = Comparison.of(directory / "compare").outcomes
    assert set(outcome.others) == {"uniform", "scratch", "alone"} and outcome.steps == 8
    text = (directory / "compare" / "report.md").read_text()
    page = (directory / "compare" / "index.html").read_text()
    names = ["teacher", "chosen, from the supernet", "chosen, fine-tuned", *(rows[0].name for rows in outcome.others.values())]
    for name in names:
        assert name in printed and name in text and name in page
    verdict = json.loads((directory / "compare" / "comparison.json").read_text())["verdict"]
    for sentence in verdict:
        assert sentence in printed and f"- {sentence}\n" in text
    for other in ("the uniformly narrower generator", "the same architecture from scratch", "the same architecture distilled alone"):
        assert any(other in sentence and ("beats" in sentence or "does NOT beat" in sentence) for sentence in verdict)
    for picture in ("scores.png", "grid.png"):
        with Image.open(directory / "compare" / picture) as opened:
            assert opened.width > 800
        assert f"]({picture})" in text
    package = autogc.load_package(directory / "finetune" / outcome.chosen)
    assert outcome.after.macs == package.costs["macs"] and outcome.after.scores == package.scores
    assert {outcome.others[kind][0].macs for kind in ("scratch", "alone")} == {outcome.after.macs}
    uniform = outcome.others["uniform"][0]
    assert outcome.uniform is not None and uniform.macs == outcome.uniform["macs"] >= outcome.after.macs
    assert outcome.uniform["below"][1] < outcome.after.macs and outcome.uniform["base_channels"] < 16
    assert all(row.latency_ms for rows in outcome.others.values() for row in rows.values())


def test_the_ranking_is_of_the_searchs_candidates(compared: tuple[Path, dict[Path, int], str]) -> None:
    directory, _, _ = compared
    (outcome,) = Comparison.of(directory / "compare").outcomes
    ranking = outcome.ranking
    assert ranking is not None and (ranking.way, ranking.steps, len(ranking.members)) == ("alone", 2, 3)
    with Run.reopen(directory, exclusive=False) as run:
        searched = {one.candidate.hash: one for one in run.evaluations}
    for one in ranking.members:
        assert one.supernet["fid"] == searched[one.candidate].scores["fid"] and one.macs == searched[one.candidate].costs["macs"]
        assert one.trained["fid"] != one.supernet["fid"]
    assert [one.macs for one in ranking.members] == sorted(one.macs for one in ranking.members)


def test_mlflow_has_it(compared: tuple[Path, dict[Path, int], str]) -> None:
    from mlflow import MlflowClient

    directory, _, _ = compared
    client = MlflowClient(tracking_uri=f"sqlite:///{directory / 'mlflow.db'}")
    parent = client.get_run(json.loads((directory / "tracking.json").read_text())["run_id"])
    files = {item.path for item in client.list_artifacts(parent.info.run_id, "compare")}
    assert {f"compare/{name}" for name in ("report.md", "index.html", "scores.png", "grid.png", "comparison.json")} <= files
    assert {"compare/uniform/fid", "compare/alone/fid", "compare/chosen/fid"} <= set(parent.data.metrics)


def test_more_seeds_add_to_what_is_there_and_runs_are_pooled(compared: tuple[Path, dict[Path, int], str], tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    for directory in (first, other):
        shutil.copytree(compared[0], directory)
    before = Comparison.of(first / "compare").outcomes[0]
    result = CliRunner().invoke(main, ["compare", str(first), str(other), "--seeds", "2", "--only", "uniform"])
    assert result.exit_code == 0, result.output
    (after,) = Comparison.of(first / "compare").outcomes
    assert after.others["uniform"][0] == before.others["uniform"][0] and set(after.others["uniform"]) == {0, 1}
    assert after.others["uniform"][1].scores != after.others["uniform"][0].scores
    assert after.others["alone"] == before.others["alone"] and after.ranking == before.ranking
    assert "of 2 seeds" in (first / "compare" / "report.md").read_text()
    pooled = Comparison.of(first / "compare" / "pooled")
    assert [one.run for one in pooled.outcomes] == [str(first), str(other)]
    assert "Every training" in (first / "compare" / "report.md").read_text()
    assert "Every training" not in (compared[0] / "compare" / "report.md").read_text()
    assert "of 4 trainings" in result.output and "of 2 runs" in result.output
    assert (first / "compare" / "pooled" / "scores.png").is_file()


def test_what_can_not_be_compared_is_refused(tiny: Path, tmp_path: Path) -> None:
    experiment = autogc.load_experiment(tiny)
    with Run.open(tmp_path / "empty", experiment) as run, pytest.raises(MissingStageError, match="compare needs the result of teacher"):
        compare([run])
    from autogc.pipeline.compare.comparing import _check_together

    changed = experiment.model_copy(update={"supernet": experiment.supernet.model_copy(update={"steps": 5})})
    runs = [
        Run(tmp_path / name, one, lock=None, address=None, progress=Silent())
        for name, one in (("a", experiment), ("b", experiment.model_copy(update={"seed": 4, "name": "b"})), ("c", changed))
    ]
    _check_together(runs[:2])
    with pytest.raises(ConfigError, match=r"c is not comparable with .*a: supernet.steps: 4 -> 5"):
        _check_together(runs)
    for wrong, said in ((["--only", "uniforn"], "did you mean 'uniform'"), ([str(tmp_path)], "given twice")):
        result = CliRunner().invoke(main, ["compare", str(tmp_path), *wrong])
        assert result.exit_code == 2 and said in result.output


@pytest.mark.slow
def test_a_class_of_the_users_own_is_compared(tmp_path: Path) -> None:
    for name in ("loom.py", "loom.yaml"):
        shutil.copy(Path(__file__).parent / "unseen" / name, tmp_path)
    overrides = ("search.evaluations=3", "tracking.enabled=false", "scores.latency={warmup: 0, runs: 2, patience_s: 0}")
    experiment = autogc.load_experiment(tmp_path / "loom.yaml", overrides=overrides)
    finish(experiment, tmp_path / "run")
    with Run.reopen(tmp_path / "run") as run:
        (outcome,) = compare(
            [run], Asked(parts=("uniform", "alone", "ranking"), candidates=2, ranking_steps=1, ranking_way="finetuned")
        ).outcomes
    assert set(outcome.others) == {"uniform", "alone"} and outcome.steps == 5
    assert outcome.uniform is not None and outcome.uniform["widths"] and "every layer at" in outcome.others["uniform"][0].name
    assert outcome.others["alone"][0].macs == outcome.after.macs <= outcome.others["uniform"][0].macs
    assert outcome.ranking is not None and outcome.ranking.way == "finetuned" and len(outcome.ranking.members) == 2
