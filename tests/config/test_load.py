"""Experiment files: every problem at once, with the nearest valid names."""

from pathlib import Path

import pytest
import yaml

from autogc.config.load import CHANGEABLE, diff_experiments, dump_experiment, fingerprint, load_experiment
from autogc.errors import ConfigError

MINIMAL = """
name: small
data: {name: streets}
generator: {name: resnet}
discriminator: {name: patchgan}
teacher: {steps: 10}
supernet: {steps: 10, decompose: ["blocks.*"]}
finetune: {steps: 5}
space:
  stages: {body: ["*"]}
  dimensions:
    width: {choices: {"*": [8, 16], down2.conv: [16, 32]}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(MINIMAL)
    return path


def problems(path: Path, *, overrides: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_experiment(path, overrides=overrides)
    return caught.value.problems


def test_a_minimal_file_is_read_and_written_back_equal(file: Path, tmp_path: Path) -> None:
    experiment = load_experiment(file)
    dump_experiment(experiment, tmp_path / "copy.yaml")
    assert load_experiment(tmp_path / "copy.yaml") == experiment


def test_every_problem_is_told_at_once_with_the_nearest_names(file: Path) -> None:
    tree = yaml.safe_load(MINIMAL)
    tree["serach"] = {"evaluations": 4}
    tree["teacher"] = {"step": 4, "batch_size": 0}
    tree["space"]["dimensions"]["width"]["choises"] = {}
    tree["search"] = {"objectives": ["fid", "flops"]}
    del tree["finetune"]
    file.write_text(yaml.safe_dump(tree))
    found = problems(file)
    assert any(problem.startswith("serach: unknown key; did you mean 'search'") for problem in found)
    assert "teacher.step: unknown key; did you mean 'steps'?" in found
    assert "teacher.steps: is required" in found
    assert "finetune: is required" in found
    assert any(problem.startswith("teacher.batch_size: input should be greater than 0, got 0") for problem in found)
    assert "space.dimensions.width.choises: unknown key; did you mean 'choices'?" in found
    assert any(problem.startswith("search: objective 'flops' is not one of") for problem in found)
    assert len(found) == 7


def test_an_unknown_key_far_from_every_name_lists_them_all(file: Path) -> None:
    (problem,) = problems(file, overrides=("export.zzz=1",))
    assert problem == "export.zzz: unknown key; valid: finalists, pick"


def test_overrides_are_yaml_and_reach_names_with_dots(file: Path) -> None:
    experiment = load_experiment(
        file,
        overrides=(
            "search.objectives=[miou, storage_bytes]",
            "search.constraints.macs=5e6",
            "space.dimensions.width.choices.up1.conv=[24]",
            "teacher.deepspeed.zero_optimization.stage=1",
            "scores.segmenter=null",
            "tracking.uri=http://somewhere:5000/a=b",
        ),
    )
    assert experiment.search.objectives == ("miou", "storage_bytes")
    assert experiment.search.constraints == {"macs": 5_000_000.0}
    assert experiment.space.dimensions["width"].choices == {"*": (8, 16), "down2.conv": (16, 32), "up1.conv": (24,)}
    assert experiment.teacher.deepspeed == {"zero_optimization": {"stage": 1}}
    assert experiment.scores.segmenter is None
    assert experiment.tracking.uri == "http://somewhere:5000/a=b"


def test_bad_overrides_are_told_beside_the_files_own_problems(file: Path) -> None:
    found = problems(file, overrides=("search.evaluation=4", "nonsense", "name.first=x", "seed=[1", "teacher.steps=many"))
    assert "search.evaluation: unknown key; did you mean 'evaluations'?" in found
    assert "--set nonsense: must read key=value, such as search.evaluations=40" in found
    assert "--set name.first: name is 'small', which has no keys" in found
    assert any(problem.startswith("--set seed:") for problem in found)
    assert any(problem.startswith("teacher.steps:") and "'many'" in problem for problem in found)
    assert len(found) == 5


def test_a_password_is_refused_and_not_repeated(file: Path) -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD") as failure:
        load_experiment(file, overrides=["tracking.uri=http://me:hunter2@tracking.example:5000"])
    assert "hunter2" not in str(failure.value)


def test_numbers_without_a_point_are_numbers(file: Path) -> None:
    experiment = load_experiment(file, overrides=("data.args.rate=1e-4", "data.args.big=2E6", "data.args.word=e4"))
    assert experiment.data.args == {"rate": 1e-4, "big": 2e6, "word": "e4"}


def test_a_key_given_twice_is_refused_with_both_lines(file: Path) -> None:
    file.write_text(MINIMAL + "seed: 1\nname: again\n")
    (problem,) = problems(file)
    assert "'name' is given twice, at lines 2 and 14" in problem


@pytest.mark.parametrize(("text", "part"), [("a: [1", "line"), ("- 1\n", "must be a mapping"), ("", "must be a mapping")])
def test_what_is_not_a_mapping_is_refused(file: Path, text: str, part: str) -> None:
    file.write_text(text)
    assert part in problems(file)[0]


def test_a_missing_file_names_one_that_is_there(file: Path) -> None:
    (problem,) = problems(file.with_name("smal.yaml"))
    assert "small.yaml" in problem


def test_python_objects_are_not_built(file: Path) -> None:
    file.write_text(MINIMAL + "seed: !!python/object/apply:os.getpid []\n")
    assert "could not determine a constructor" in problems(file)[0]


def test_differences_name_the_keys(file: Path) -> None:
    before = load_experiment(file)
    after = load_experiment(file, overrides=("teacher.steps=20", "search.evaluations=7", "data.args.size=3"))
    assert diff_experiments(before, before) == []
    assert diff_experiments(before, after) == [
        "data.args.size: absent -> 3",
        "search.evaluations: 100 -> 7",
        "teacher.steps: 10 -> 20",
    ]
    assert "search.evaluations: 100 -> 7" not in diff_experiments(before, after, ignore=CHANGEABLE)


@pytest.mark.parametrize(
    "override",
    [
        "search.evaluations=7",
        "device=cuda",
        "export.pick=best",
        "export.pick={fid: 10%}",
        "export.finalists=3",
        "tracking.enabled=false",
        "teacher.log_every=1",
        "workers=2",
    ],
)
def test_what_may_change_keeps_the_fingerprint(file: Path, override: str) -> None:
    assert fingerprint(load_experiment(file)) == fingerprint(load_experiment(file, overrides=(override,)))


@pytest.mark.parametrize("override", ["seed=1", "teacher.steps=11", "search.constraints.macs=1", "losses.reconstruction_weight=10"])
def test_what_makes_another_experiment_changes_the_fingerprint(file: Path, override: str) -> None:
    assert fingerprint(load_experiment(file)) != fingerprint(load_experiment(file, overrides=(override,)))


def test_a_perceptual_term_has_a_network_and_a_weight(file: Path) -> None:
    network = "losses.perceptual={name: vgg19, args: {weights: vgg19.pth}}"
    assert "perceptual_weight" in problems(file, overrides=("losses.perceptual_weight=10",))[0]
    assert "perceptual_weight" in problems(file, overrides=(network,))[0]
    assert load_experiment(file, overrides=(network, "losses.perceptual_weight=0")).losses.perceptual is not None


@pytest.mark.parametrize(("given", "found"), [("300", 300), ("0.1", 0.1), ("auto", "auto")])
def test_looks_are_taken_by_steps_or_by_share(given: str, found: object, file: Path, tmp_path: Path) -> None:
    experiment = load_experiment(file, overrides=(f"supernet.watch_every={given}",))
    assert experiment.supernet.watch_every == found and type(experiment.supernet.watch_every) is type(found)
    dump_experiment(experiment, tmp_path / "again.yaml")
    assert load_experiment(tmp_path / "again.yaml") == experiment
    assert fingerprint(experiment) == fingerprint(load_experiment(file))


@pytest.mark.parametrize("given", ["0", "1.5", "never", "true", "-3"])
def test_an_interval_that_is_none_is_one_problem(given: str, file: Path) -> None:
    (problem,) = problems(file, overrides=(f"supernet.watch_every={given}",))
    assert problem.startswith("supernet.watch_every: ") and "must be a number of steps (300), a share of them" in problem
