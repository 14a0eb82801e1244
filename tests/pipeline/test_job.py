"""The whole job, small: every stage, then again with nothing to do, then the README's own lines on what came of it."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from tiny_run import run_autogc

import autogc
from autogc.cli import main
from autogc.cost import fvcore_macs
from autogc.errors import MissingStageError
from autogc.files import read_json
from autogc.pipeline import STAGES, Report, Run, run_stage
from autogc.search import Ledger, front

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


@pytest.fixture(scope="module")
def file(finished: tuple[Path, Path, str]) -> Path:
    return finished[0]


@pytest.fixture(scope="module")
def directory(finished: tuple[Path, Path, str]) -> Path:
    return finished[1]


def test_it_ends_with_the_tables_and_what_to_type_next(finished: tuple[Path, Path, str]) -> None:
    _, directory, printed = finished
    for row in ("teacher", "chosen, from the supernet", "chosen, fine-tuned"):
        assert row in printed
    for part in ("FID", "mIoU", "MACs", "Stored size", "Latency", "synthetic"):
        assert part in printed
    report = Report.of(directory)
    assert all(row.name in printed for row in report.front)
    assert f"autogc ui {directory}" in printed
    assert "Traceback" not in printed and "Warning" not in printed


def test_every_stage_left_its_result(file: Path, directory: Path) -> None:
    with Run.reopen(directory) as run:
        assert all(stage.done(run) for stage in STAGES)
        assert run.exported.is_dir() and run.finetuned.is_dir()
        assert len(run.evaluations) == 4
    for name in ("index.html", "front.png", "grid.png", "report.json"):
        assert (directory / "report" / name).is_file()


def test_each_class_is_told_in_the_report_and_by_evaluate(directory: Path) -> None:
    report, text = Report.of(directory), (directory / "report" / "report.md").read_text()
    after = report.rows[2]
    assert f"| mIoU | {' | '.join(row.name for row in (*report.rows, *report.front))} |" in text and "**label size**" in text
    assert set(after.details["miou"]) >= set(after.details["pixel_accuracy"]) >= {"sky", "road"}
    result = CliRunner().invoke(main, ["evaluate", report.chosen])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    sky = [after.details[score]["sky"] for score in ("miou", "pixel_accuracy")]
    assert ["sky", *(f"{value:.3f}" for value in sky)] in lines


def test_the_chosen_package_is_what_the_table_says(directory: Path) -> None:
    report = Report.of(directory)
    _, before, after = report.rows
    package = autogc.load_package(report.chosen)
    example = torch.zeros(package.input_shape)
    assert fvcore_macs(package.module, example) == before.macs == after.macs
    assert (Path(report.chosen) / "packed.safetensors").stat().st_size == after.storage_bytes
    assert {"fid", "miou", "pixel_accuracy", "psnr", "ssim"} <= set(after.scores) and after.latency_ms is not None


def test_the_same_command_again_does_nothing(file: Path, directory: Path) -> None:
    def state() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in directory.rglob("*") if path.is_file() and path.name != ".lock"}

    before = state()
    result = CliRunner().invoke(main, ["run", str(file), "--run-dir", str(directory)])
    assert result.exit_code == 0, result.output
    assert "chosen, fine-tuned" in result.output
    assert state() == before


def test_what_a_kill_kept_from_mlflow_is_sent_by_the_same_command(file: Path, directory: Path) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{directory.resolve() / 'mlflow.db'}"
    state = json.loads((directory / "tracking.json").read_text())
    client, name = MlflowClient(uri), Run.reopen(directory, exclusive=False).experiment.name
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None

    def children() -> list[str]:
        runs = client.search_runs([experiment.experiment_id], max_results=100)
        return sorted(run.info.run_name for run in runs if "mlflow.parentRunId" in run.data.tags)

    before = children()
    lost = next(run for run in client.search_runs([experiment.experiment_id]) if "mlflow.parentRunId" in run.data.tags)
    client.delete_run(lost.info.run_id)
    (directory / "tracking.json").write_text(json.dumps({**state, "settled": False}))
    result = CliRunner().invoke(main, ["run", str(file), "--run-dir", str(directory)])
    assert result.exit_code == 0, result.output
    assert children() == before
    assert json.loads((directory / "tracking.json").read_text())["settled"]


def test_a_dry_run_of_a_finished_run_says_so(file: Path, directory: Path) -> None:
    result = CliRunner().invoke(main, ["run", str(file), "--run-dir", str(directory), "--dry-run"])
    assert result.exit_code == 0, result.output
    assert result.output.count(" done") == 6
    assert "steps" not in result.output


def test_mlflow_has_a_parent_with_a_child_for_each_candidate_and_the_front(directory: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{directory / 'mlflow.db'}")
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert {run.info.run_name for run in children} == {one.candidate.hash for one in Ledger(directory / "search").read()}
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert parent.info.status == "FINISHED"
    names = {item.path for item in client.list_artifacts(parent.info.run_id, "front")}
    assert {"front/front.html", "front/front.png", "front/grid.png", "front/front.csv"} <= names
    assert any(name.startswith("teacher/") for name in parent.data.metrics)


def test_the_fronts_scores_have_intervals(directory: Path) -> None:
    with Run.reopen(directory, exclusive=False) as run:
        search = run.experiment.search
        members = front(run.evaluations, search.objectives, search.constraints)
    assert members
    for member in members:
        assert set(member.intervals) == set(run.experiment.scored) < set(member.scores)
        assert all(lower <= member.scores[name] <= upper for name, (lower, upper) in member.intervals.items())


def test_what_the_scores_are_a_matter_of(file: Path, directory: Path, tmp_path: Path) -> None:
    few = run_autogc("explain", directory)
    assert few.returncode == 2 and "4 complete evaluations with fid tell nothing of the decisions; search on until 10 have it" in few.stderr
    copied = tmp_path / "run"
    shutil.copytree(directory, copied)
    more = run_autogc("run", file, "--run-dir", copied, "--set", "search.evaluations=12")
    assert more.returncode == 0, more.stdout + more.stderr
    assert "What FID is a matter of" in (copied / "report" / "index.html").read_text()
    done = run_autogc("explain", copied)
    assert done.returncode == 0, done.stderr
    assert "What FID is a matter of" in done.stdout and "a model of 12 evaluations" in done.stdout
    told = read_json(copied / "report" / "explained.json")
    assert [one["score"] for one in told] == ["fid"] and {one["decision"] for one in told[0]["effects"]} >= {"operator/all"}
    assert (copied / "report" / "explained_fid.png").is_file()
    refused = run_autogc("explain", copied, "--score", "psn")
    assert refused.returncode == 2 and "did not score by 'psn': valid: fid, kid, precision, recall" in refused.stderr


def test_a_stage_without_what_it_needs_names_the_command(tiny: Path, tmp_path: Path) -> None:
    experiment = autogc.load_experiment(tiny)
    with Run.open(tmp_path / "run", experiment) as run:
        with pytest.raises(MissingStageError, match="--until teacher"):
            run_stage(run, "supernet")
        with pytest.raises(MissingStageError, match="--until search"):
            autogc.export_subnet(run)


def test_an_unknown_stage_is_refused(tiny: Path, tmp_path: Path) -> None:
    with Run.open(tmp_path / "run", autogc.load_experiment(tiny)) as run, pytest.raises(autogc.AutogcError, match="did you mean 'search'"):
        run_stage(run, "serach")


def test_a_subnet_within_a_cost_that_the_search_did_not_limit(directory: Path, tmp_path: Path) -> None:
    macs = sorted(one.costs["macs"] for one in Ledger(directory / "search").read())
    command = ["export", str(directory), "--pick", "best", "--out", str(tmp_path / "chosen")]
    result = CliRunner().invoke(main, [*command, "--within", f"macs:{macs[0]}"])
    assert result.exit_code == 0, result.output
    assert autogc.load_package(tmp_path / "chosen").costs["macs"] == macs[0]
    result = CliRunner().invoke(main, [*command, "--within", "macs:1"])
    assert result.exit_code == 2
    assert "macs at most 1;" in result.output
    result = CliRunner().invoke(main, [*command, "--within", "speed:1"])
    assert "'speed' is not one of macs" in result.output
    result = CliRunner().invoke(main, [*command, "--within", "latency_ms:4"])
    assert result.exit_code == 2 and "within latency_ms: no evaluation of this search has one" in result.output
    result = CliRunner().invoke(main, ["export", str(directory), "--pick", Report.of(directory).front[0].name[:8], "--within", "macs:1"])
    assert result.exit_code == 2 and "more than the 1 it is to stay within" in result.output


def test_a_subnet_by_its_hash(directory: Path, tmp_path: Path) -> None:
    member = Report.of(directory).front[0].name
    result = CliRunner().invoke(main, ["export", str(directory), "--pick", member[:8], "--out", str(tmp_path / "chosen")])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "chosen" / "candidate.json").read_text())["format"] == 1
    assert autogc.load_package(tmp_path / "chosen").candidate.hash == member
    result = CliRunner().invoke(main, ["export", str(directory), "--pick", "zzzz"])
    assert result.exit_code == 2
    assert "zzzz" in result.stderr


def test_an_export_replaces_nothing_but_a_package(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years")
    result = CliRunner().invoke(main, ["export", str(directory), "--out", str(tmp_path / "thesis")])
    assert result.exit_code == 2 and "no package" in result.stderr
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years"


def test_the_export_command_is_the_stage(directory: Path) -> None:
    written = (directory / "export" / "result.json").read_bytes()
    (directory / "export" / "result.json").unlink()
    result = CliRunner().invoke(main, ["export", str(directory)])
    assert result.exit_code == 0, result.output
    assert (directory / "export" / "result.json").read_bytes() == written


def test_the_readmes_commands_work(file: Path, directory: Path, tmp_path: Path) -> None:
    (block,) = re.findall(r"## Quickstart\n\n```bash\n(.*?)```", README, flags=re.S)
    lines = [line.split("#")[0].strip() for line in block.splitlines()]
    assert len(lines) <= 10
    places = {"search_spaces/quickstart.yaml": str(file), "runs/quickstart": str(directory), "chosen": str(tmp_path / "chosen")}
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("autogc ")]
    assert {command[0] for command in commands} >= {"run", "inspect", "export", "report", "ui"}
    for command in commands:
        if command[0] == "ui":
            continue  # It serves until it is stopped: tests/tracking opens it.
        given = [places.get(word, word) for word in command]
        if command[0] == "run":
            given += ["--run-dir", str(directory)]
        result = CliRunner().invoke(main, given)
        assert result.exit_code == 0, f"{command}: {result.output}"
    for line in lines:
        if line.startswith("scripts/"):
            assert (Path(__file__).resolve().parents[2] / line).is_file()


def test_the_readmes_python_works(file: Path, directory: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    code = code.replace("search_spaces/quickstart.yaml", str(file)).replace("runs/quickstart-60", str(directory))
    names: dict[str, object] = {"inputs": torch.zeros(1, 1, 32, 32).expand(1, _channels(file), 32, 32)}
    exec(code.replace("evaluations=60", "evaluations=4"), names)
    images = names["images"]
    assert isinstance(images, torch.Tensor) and images.shape == (1, 3, 32, 32)


def _channels(file: Path) -> int:
    from autogc.data import DATASETS

    experiment = autogc.load_experiment(file)
    return DATASETS.build(experiment.data.name, experiment.data.args, seed=0).input_channels
