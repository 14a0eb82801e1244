"""Recipes: defaults beneath what a file says, written down resolved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from autogc.config import recipes
from autogc.config.experiment import Experiment, LossWeights
from autogc.config.load import CHANGEABLE, diff_experiments, dump_experiment, load_experiment
from autogc.config.recipes import RECIPES, Recipe, resolved
from autogc.config.recipes.recipe import beneath
from autogc.config.schema import flatten
from autogc.errors import ConfigError
from autogc.losses import PERCEPTUAL
from autogc.losses.terms import TERMS
from autogc.pipeline.check_components import recipe_problems

TREE: dict[str, Any] = {
    "name": "some",
    "data": {"name": "streets"},
    "generator": {"name": "resnet"},
    "teacher": {"steps": 1},
    "supernet": {"steps": 1},
    "finetune": {"steps": 1},
}


def write(path: Path, **sections: Any) -> Path:
    path.write_text(yaml.safe_dump({**TREE, **sections}))
    return path


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_is_an_experiment_of_things_that_exist(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    assert recipe.paper and recipe.differs and set(recipe.settings) <= {"losses", "supernet"}
    experiment = load_experiment(write(tmp_path / "x.yaml", recipe=name))
    assert experiment.recipe is not None and experiment.recipe.name == name and experiment.recipe.sha256 == recipe.sha256
    found = flatten(experiment.model_dump(mode="json"))
    for key, value in flatten(recipe.settings).items():
        assert found[key] == value
    for key, (term, config) in experiment.losses.active_terms().items():
        assert TERMS.problems(term, config.args) == [], key
        TERMS.build(term, config.args)
    if experiment.losses.perceptual is not None:
        problems = PERCEPTUAL.problems(experiment.losses.perceptual.name, experiment.losses.perceptual.args, offered=("weights",))
        assert problems == []


def test_the_file_and_set_override_the_recipe(tmp_path: Path) -> None:
    file = write(
        tmp_path / "x.yaml",
        recipe="omgd",
        losses={
            "terms": {"ssim": 3, "wavelet": 2.0},
            "perceptual": {"args": {"weights": "vgg.pth"}},
            "students": {"adversarial_weight": 0.1},
        },
    )
    losses = load_experiment(file, overrides=("losses.terms.gram_style.weight=5", "losses.terms.total_variation=0")).losses
    ssim = losses.terms["ssim"]
    assert (ssim.weight, ssim.against) == (3, "teacher"), "a number is the weight, and what else the recipe says stays"
    assert losses.terms["gram_style"].weight == 5 and losses.terms["gram_style"].args["of"] == "perceptual"
    assert set(losses.active_terms()) == {"ssim", "wavelet", "gram_style", "perceptual", "channel_distillation"}
    assert losses.perceptual is not None and losses.perceptual.name == "vgg19"
    assert losses.perceptual.args["weights"] == "vgg.pth" and losses.perceptual.args["layers"]["relu2_2"] == 1
    assert losses.students.adversarial_weight == 0.1 and losses.students.reconstruction_weight == 0


def test_the_arguments_of_one_thing_are_not_those_of_another() -> None:
    settings = {"a": {"name": "x", "args": {"p": 1}}, "list": [1, 2], "n": {"weight": 1.0, "args": {"q": 2}}}
    assert beneath(settings, {"a": {"name": "y"}})["a"] == {"name": "y"}
    assert beneath(settings, {"a": {"name": "x", "args": {"r": 2}}})["a"] == {"name": "x", "args": {"p": 1, "r": 2}}
    assert beneath(settings, {"list": [3]})["list"] == [3]
    assert beneath(settings, {"n": 0})["n"] == {"weight": 0, "args": {"q": 2}}
    assert beneath(settings, {"n": None})["n"] is None
    assert settings["n"] == {"weight": 1.0, "args": {"q": 2}}


def test_a_run_keeps_the_recipe_that_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = load_experiment(write(tmp_path / "x.yaml", recipe="wavelet"))
    dump_experiment(began, tmp_path / "run.yaml")
    later = Recipe(paper="p", settings={"losses": {"terms": {"wavelet": {"weight": 77.0}, "ssim": {"weight": 1.0}}}}, differs="d")
    monkeypatch.setitem(recipes.RECIPES, "wavelet", later)
    assert load_experiment(tmp_path / "run.yaml") == began
    now = load_experiment(tmp_path / "x.yaml")
    differing = diff_experiments(began, now, ignore=CHANGEABLE)
    assert any(line.startswith("losses.terms.wavelet.weight: 10.0 -> 77.0") for line in differing)
    assert not any("recipe" in line for line in differing)
    # The same settings without the recipe's name are the same experiment.
    plain = began.model_dump(mode="json")
    del plain["recipe"]
    assert diff_experiments(began, Experiment.model_validate(plain)) == []


def test_an_unknown_recipe_is_told_with_everything_else(tmp_path: Path) -> None:
    file = write(tmp_path / "x.yaml", recipe="omdg", serach={})
    with pytest.raises(ConfigError, match="2 problems") as refused:
        load_experiment(file)
    assert "recipe: no recipe named 'omdg': did you mean 'omgd'?" in refused.value.problems
    with pytest.raises(ValueError, match="no recipe named 'omdg'"):
        Experiment.model_validate({**TREE, "recipe": "omdg"})


def test_what_a_recipe_asks_for_is_said() -> None:
    tree = resolved({**TREE, "recipe": "omgd"})
    problems = list(recipe_problems(tree))
    assert problems == [
        "losses.perceptual.args.weights: the recipe omgd needs the file of torchvision's ImageNet weights of VGG19 (vgg19-dcbb9e9d.pth)",
        "losses.distillation_layers: the recipe omgd needs the modules whose channels are compared "
        "(or losses.terms.channel_distillation=0)",
    ]
    other = {"perceptual": {"name": "another", "args": {}}, "terms": {"channel_distillation": 0}}
    assert list(recipe_problems(resolved({**TREE, "recipe": "omgd", "losses": other}))) == []


def test_terms_and_students_weights_are_checked(tmp_path: Path) -> None:
    usual = LossWeights()
    assert usual.of_students() == usual and usual.active_terms() == {}
    losses = LossWeights.model_validate(
        {"reconstruction_weight": 7, "students": {"adversarial_weight": 0}, "terms": {"style": {"name": "gram_style", "weight": 2}}}
    )
    assert (
        losses.of_students().adversarial_weight == 0 and losses.of_students().reconstruction_weight == 7 and losses.adversarial_weight == 1
    )
    assert losses.active_terms()["style"][0] == "gram_style"
    file = write(tmp_path / "x.yaml", losses={"terms": {"ssim": {"wieght": 1}}})
    with pytest.raises(ConfigError) as refused:
        load_experiment(file)
    assert any("losses.terms.ssim.wieght: unknown key; did you mean 'weight'" in problem for problem in refused.value.problems)
    with pytest.raises(ConfigError, match="greater than or equal to 0"):
        load_experiment(write(tmp_path / "y.yaml", losses={"terms": {"ssim": -1}}))
