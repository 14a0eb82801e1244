"""The generator section: a registered name or a class of the user's own, and a run's way of knowing it again."""

from pathlib import Path

import pytest

from autogc.config.generator import GeneratorConfig
from autogc.config.load import diff_experiments, dump_experiment, fingerprint, load_experiment
from autogc.errors import ConfigError

SHORTEST = """
name: own
data: {name: streets}
generator: {module: nets/net.py:Net, args: {width: 4}, input_shape: [3, 8, 8]}
teacher: {steps: 10}
supernet: {steps: 10}
finetune: {steps: 5}
space: {stages: {all: ["*"]}, dimensions: {width: {choices: {"*": [1.0, 0.5]}}}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "net.py").write_text("class Net: pass\n")
    path = tmp_path / "own.yaml"
    path.write_text(SHORTEST)
    return path


def test_paths_are_looked_for_beside_the_file_and_then_here(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "nets").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    Path("nets/net.py").write_text("class Net: another = True\n")
    Path("nets/only.py").write_text("class Net: pass\n")
    assert load_experiment(file).generator.module == f"{tmp_path}/nets/net.py:Net"
    assert load_experiment(file, overrides=["generator.module=nets/only.py:Net"]).generator.module == f"{tmp_path}/here/nets/only.py:Net"


def test_what_is_recorded_means_the_same_from_anywhere(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load_experiment(file)
    assert experiment.discriminator.name == "patchgan"
    assert len(experiment.generator.source_sha256 or "") == 64
    (tmp_path / "run").mkdir()
    dump_experiment(experiment, tmp_path / "run" / "experiment.yaml")
    monkeypatch.chdir(tmp_path / "run")
    assert load_experiment("experiment.yaml") == experiment


def test_an_edited_source_is_another_experiment_and_a_moved_one_is_not(file: Path, tmp_path: Path) -> None:
    before = load_experiment(file)
    dump_experiment(before, tmp_path / "recorded.yaml")
    source = tmp_path / "nets" / "net.py"
    moved = source.rename(tmp_path / "nets" / "moved.py")
    after = load_experiment(file, overrides=[f"generator.module={moved}:Net"])
    assert diff_experiments(before, after) == [] and fingerprint(before) == fingerprint(after)
    source.write_text("class Net: edited = True\n")
    after = load_experiment(file)
    (difference,) = diff_experiments(load_experiment(tmp_path / "recorded.yaml"), after)
    assert difference.startswith("generator.source_sha256: ") and difference.endswith(f"({source} was edited)")
    assert fingerprint(before) != fingerprint(after)


def test_the_shape_of_an_input_decides_nothing(file: Path) -> None:
    before, after = load_experiment(file), load_experiment(file, overrides=["generator.input_shape=null"])
    assert diff_experiments(before, after) == [] and fingerprint(before) == fingerprint(after)


def test_a_registered_generator_is_recorded_as_ever() -> None:
    given = {"name": "resnet", "args": {"blocks": 1}}
    assert GeneratorConfig.model_validate(given).model_dump(mode="json") == given


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "generator={args: {}}",
            "generator: needs either name (a registered generator) or module (a class of your own: path/to/file.py:Class",
        ),
        ("generator.name=resnet", "got both"),
        ("generator.module=net.py", "generator.module: must be path/to/file.py:ClassName, or package.module:ClassName"),
        ("generator.module=nets/nett.py:Net", "generator.module: no file"),
        ("generator={name: resnet, source_sha256: abc}", "source_sha256 goes with module"),
        ("generator.input_shape=[3, 8]", "generator.input_shape"),
        ("generator.modle=net.py", "generator.modle: unknown key; did you mean 'module'?"),
    ],
)
def test_what_is_wrong_with_the_section(file: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_experiment(file, overrides=[override])
    assert any(message in problem for problem in caught.value.problems), caught.value.problems
    assert "did you mean 'net.py'" in str(caught.value) or "nett" not in override


def test_problems_beyond_the_schema_come_in_the_same_wave(file: Path) -> None:
    def also(tree: object) -> list[str]:
        assert isinstance(tree, dict) and tree["name"] == "own"
        return ["data: no such dataset"]

    with pytest.raises(ConfigError) as caught:
        load_experiment(file, overrides=["teacher.step=4", "generator.module=nets/nett.py:Net"], also=also)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["generator.module", "teacher.step", "data"]
    load_experiment(file, also=also)  # a whole file is left to the checks that follow
