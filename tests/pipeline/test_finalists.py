"""Fine-tuning of several finalists and the choice after it: through the commands, resumed, and in runs from before there was one."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tiny_run import TINY

import autogc
from autogc.cli import main
from autogc.errors import AutogcError
from autogc.files import write_json
from autogc.pipeline import Report, Run, run_stage
from autogc.pipeline.choice import wanted_limits
from autogc.pipeline.stages import export, finetune

# Limits that the least trained subnet meets, so that the cheapest is what is meant.
LENIENT = "{fid: 100000, miou: 0}"
SETS = [f"--set=export.pick={LENIENT}", "--set=export.finalists=2", "--set=finetune.validate_every=2"]


def autogc_says(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A tiny run with two finalists: its file, its directory and what was printed."""
    directory = tmp_path_factory.mktemp("several")
    (directory / "tiny.yaml").write_text(TINY)
    said = autogc_says("run", directory / "tiny.yaml", "--run-dir", directory / "run", *SETS)
    return directory / "tiny.yaml", directory / "run", said


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_every_finalist_is_fine_tuned_and_the_choice_is_made_of_that(several: tuple[Path, Path, str]) -> None:
    _, directory, said = several
    exported, final = read(directory / "export" / "result.json"), read(directory / "finetune" / "result.json")
    assert len(exported["candidates"]) == 2 and exported["candidate"] == exported["candidates"][0]
    assert all((directory / "finetune" / name / "result.json").is_file() for name in exported["candidates"])
    assert [one["candidate"] for one in final["finalists"]] == exported["candidates"] == final["candidates"]
    # The cheapest of the finalists: both meet limits that anything meets.
    cheapest = min(final["finalists"], key=lambda one: one["costs"]["macs"])
    assert final["candidate"] == cheapest["candidate"] and final["misses"] == {}
    assert set(cheapest["before"]) == set(cheapest["after"]) >= {"fid", "miou"}, "the search scores what the pick goes by, too"
    with Run.reopen(directory) as run:
        assert run.finetuned.name == run.exported.name == final["candidate"]
    report = Report.of(directory)
    assert Path(report.chosen).name == final["candidate"]
    assert len(report.rows) == 5 and {row.name.split(",")[1] for row in report.rows[3:]} == {" from the supernet", " fine-tuned"}
    assert any("Chosen after fine-tuning, on the validation split" in note for note in report.notes)
    assert sum(note.startswith("Finalist ") for note in report.notes) == 2
    assert "chosen" in (directory / "report" / "report.md").read_text() and final["why"] in (directory / "report" / "report.md").read_text()
    assert final["why"] in said.replace("\n", " ")


def test_fine_tuning_never_ends_worse_on_the_validation_split(several: tuple[Path, Path, str]) -> None:
    _, directory, _ = several
    for one in read(directory / "finetune" / "result.json")["finalists"]:
        found = read(directory / "finetune" / one["candidate"] / "result.json")["validation"]
        scores = dict(map(tuple, found["scores"]))
        assert list(scores) == [0, 2, 4] and found["objective"] == "fid"
        misses = dict(map(tuple, found["misses"]))
        assert found["kept_step"] == min(scores, key=lambda step: (misses[step], scores[step]))
        # The judge says the same of the package as it said of the step; and of the start as the search did.
        assert one["after"]["fid"] == pytest.approx(scores[found["kept_step"]], rel=1e-3)
        assert scores[0] == pytest.approx(one["before"]["fid"], rel=1e-3)
        notes = [note for note in Report.of(directory).notes if one["candidate"] in note and "tuning" in note]
        assert any(("did not improve" in note) == (found["kept_step"] == 0) for note in notes)


def test_the_same_command_again_does_nothing(several: tuple[Path, Path, str]) -> None:
    file, directory, _ = several
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*.json")}
    autogc_says("run", file, "--run-dir", directory, *SETS)
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*.json")} == before


def test_a_kill_between_fine_tuning_and_the_choice(several: tuple[Path, Path, str], tmp_path: Path) -> None:
    _, directory, _ = several
    shutil.copytree(directory, tmp_path / "run")
    expected = read(tmp_path / "run" / "finetune" / "result.json")
    (tmp_path / "run" / "finetune" / "result.json").unlink()
    with Run.reopen(tmp_path / "run") as run:
        assert export.STAGE.done(run) and not finetune.STAGE.done(run)
        assert finetune.STAGE.outlook(run) == "choose among the fine-tuned subnets"
        assert run.chosen == expected["candidates"][0], "until then it is what the search would choose"
        run_stage(run, "finetune")
        assert finetune.STAGE.done(run)
    assert read(tmp_path / "run" / "finetune" / "result.json") == expected


def test_other_limits_make_another_choice_on_the_command_line(several: tuple[Path, Path, str], tmp_path: Path) -> None:
    _, directory, _ = several
    said = autogc_says("export", directory, "--pick", "fid:0.001,miou:0.1", "--out", tmp_path / "near")
    assert "this is the nearest, and misses fid" in said.replace("\n", " ")
    autogc.load_package(tmp_path / "near")
    result = CliRunner().invoke(main, ["export", str(directory), "--pick", "fidd:10%"])
    assert result.exit_code == 2 and "'fidd' is not one of fid" in result.stderr
    result = CliRunner().invoke(main, ["export", str(directory), "--pick", "ssim:10%", "--out", str(tmp_path / "none")])
    assert result.exit_code == 2 and "did not score its candidates by ssim" in result.stderr.replace("\n", " ")


def test_a_run_from_before_there_were_finalists(finished: tuple[Path, Path, str], tmp_path: Path) -> None:
    """Its export says nothing of candidates and reasons, its fine-tuning has no result beside the packages."""
    _, directory, _ = finished
    shutil.copytree(directory, tmp_path / "run")
    exported = read(tmp_path / "run" / "export" / "result.json")
    old = {name: exported[name] for name in ("pick", "evaluations", "candidate")}
    write_json(tmp_path / "run" / "export" / "result.json", old)
    assert not (tmp_path / "run" / "finetune" / "result.json").exists()
    with Run.reopen(tmp_path / "run") as run:
        assert export.STAGE.done(run) and finetune.STAGE.done(run)
        assert run.finetuned.name == old["candidate"]


def test_limits_that_say_nothing_are_refused_before_the_search(several: tuple[Path, Path, str]) -> None:
    _, directory, _ = several
    with Run.reopen(directory) as run:
        wanted_limits(run)
        run.experiment = run.experiment.model_copy(update={"export": run.experiment.export.model_copy(update={"pick": {"kid": "10%"}})})
        with pytest.raises(AutogcError, match="kid: 10% of the teacher's says nothing"):
            teacher = directory / "search" / "teacher.json"
            write_json(teacher, {**read(teacher), "kid": 0.0})
            wanted_limits(run)
