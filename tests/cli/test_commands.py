"""The command line: quick help, messages instead of traces, exit codes."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from autogc.cli import COMMANDS, main
from autogc.cli.display import Lines
from autogc.cli.noise import LOUD

HEAVY = ("torch", "ray", "mlflow", "deepspeed", "optuna", "matplotlib", "plotly", "pydantic", "rich")


def modules_after(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_is_light() -> None:
    assert modules_after("import autogc").isdisjoint(HEAVY)


def test_the_command_line_is_light() -> None:
    assert modules_after("import autogc.cli").isdisjoint(HEAVY)


def test_every_command_is_defined_without_heavy_imports() -> None:
    code = "\n".join(f"import autogc.cli.{name}" for name in COMMANDS)
    assert modules_after(code).isdisjoint(set(HEAVY) - {"rich"})


def test_help_is_quick() -> None:
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "autogc", "--help"], check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 1.0  # 0.07 s on a machine at rest; others may be at work on this one


def test_the_public_names_are_all_there() -> None:
    import autogc

    for name in autogc.__all__:
        assert getattr(autogc, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'supernett'"):
        _ = autogc.supernett


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert f"autogc {name} " in result.output


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert all(name in result.output for name in COMMANDS)


def test_an_unknown_command_gets_a_hint() -> None:
    result = CliRunner().invoke(main, ["serach"])
    assert result.exit_code == 2
    assert "did you mean 'search'" in result.output


def test_a_wrong_file_is_a_message_with_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("name: bad\nteecher: {}\nseed: -1\n")
    result = CliRunner().invoke(main, ["run", str(file)])
    assert result.exit_code == 2
    assert "teecher: unknown key; did you mean 'teacher'?" in result.stderr
    assert "seed: input should be greater than or equal to 0" in result.stderr
    assert "Traceback" not in result.output


def test_a_missing_run_directory_is_a_message(tmp_path: Path) -> None:
    for command in (["report"], ["export"]):
        result = CliRunner().invoke(main, [*command, str(tmp_path / "none")])
        assert result.exit_code == 2
        assert "is not a run directory" in result.stderr


def test_a_package_in_no_run_asks_for_the_run(tmp_path: Path) -> None:
    for command in (["evaluate"], ["finetune"]):
        result = CliRunner().invoke(main, [*command, str(tmp_path)])
        assert result.exit_code == 2
        assert "--run RUN" in result.stderr


def test_interrupting_says_how_to_continue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import autogc.cli.options

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["autogc", "run", "some space.yaml"])
    monkeypatch.setattr("autogc.config.load.load_experiment", interrupted)
    assert autogc.cli.options.load
    result = CliRunner().invoke(main, ["run", "some space.yaml"])
    assert result.exit_code == 130
    assert "autogc run 'some space.yaml'" in result.stderr


def test_quiet_unless_asked(tmp_path: Path) -> None:
    code = (
        "import logging, warnings; from autogc.cli.noise import silence; silence(); warnings.warn('noise');"
        f"[logging.getLogger(name).warning('noise') for name in {LOUD!r}]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_lines_are_few() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.lines: list[str] = []

        def print(self, text: str, **options: object) -> None:
            self.lines.append(text)

    now = [0.0]
    console = Recorder()
    lines = Lines(console, clock=lambda: now[0])  # type: ignore[arg-type]
    lines.start("teacher", total=100)
    for step in range(1, 101):
        now[0] += 0.25
        lines.update(step, loss=1 / step)
    assert console.lines[0] == "teacher: 100 to do"
    assert console.lines[-1] == "teacher: 100/100  loss 0.01"
    assert len(console.lines) == 4  # at the start, after 10 and 20 s, at the end
    lines.start("teacher", total=100, done=40)
    assert console.lines[-1] == "teacher: 40 of 100 done, continuing"
