"""Students that are trained with distillation terms, each through the supernet and a fine-tuning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_experiment import make_experiment
from tiny_tasks import SPACE, make_task_experiment
from torch import nn

from autogc.config.experiment import Experiment
from autogc.cost import CostModel
from autogc.data import training_batches
from autogc.errors import ConfigError
from autogc.export import write_package
from autogc.losses.terms import CURRENT, TERMS
from autogc.models import completed
from autogc.pipeline.check import check
from autogc.pipeline.check_terms import term_problems
from autogc.supernet import Space
from autogc.training import finetune, load_supernet, load_teacher, train_supernet, train_teacher
from autogc.training.stage import _losses, build_data, build_discriminator, build_generator, given_to_generator, identity
from autogc.training.students import FixedTeacher
from autogc.training.tasks import Generated
from autogc.training.teaching import asked_files, student_objective
from autogc.training.trainer import CriticSide

OPTIMIZATION = {"steps": 2, "batch_size": 2, "checkpoint_every": 1, "log_every": 1}
STAGES = {**dict.fromkeys(("teacher", "finetune"), OPTIMIZATION), "supernet": {**OPTIMIZATION, "accept_trivial": True}}
TOGETHER = {
    "ssim": 10.0,
    "total_variation": 1e-5,
    "wavelet": {"weight": 1.0, "args": {"levels": 2}, "against": "teacher"},
    "style": {"name": "gram_style", "weight": 100.0, "args": {"of": "generator"}},
    "kernel_alignment": 1.0,
    "channel_distillation": 1.0,
    "discriminator_features": 1.0,
    "discriminator_cooperated": 1.0,
    "generator_consistency": 1.0,
    "discriminator_consistency": 0.5,
}


@pytest.fixture(scope="session")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The first layers of a VGG19, with weights that are made here."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    layers = {0: nn.Conv2d(3, 64, 3), 2: nn.Conv2d(64, 64, 3)}
    save_file({f"features.{n}.{key}": value.data for n, layer in layers.items() for key, value in layer.named_parameters()}, path)
    return str(path)


def paired(vgg: str, **losses: Any) -> Experiment:
    perceptual = {
        "perceptual": {"name": "vgg19", "args": {"weights": vgg, "layers": {"relu1_1": 1.0, "relu1_2": 0.0}}},
        "perceptual_weight": 0.0,
    }
    return make_experiment(
        **STAGES, space=SPACE, losses={"distillation_layers": ["down2"], "reconstruction_weight": 10.0, **perceptual, **losses}
    )


def through(experiment: Experiment, directory: Path, *, teacher: Path | None = None) -> dict[str, float]:
    """Train supernet and subnet of a teacher, and return the losses of the fine-tuning."""
    if teacher is None:
        teacher = directory / "teacher"
        train_teacher(experiment, teacher)
    train_supernet(experiment, teacher, directory / "supernet")
    data = build_data(experiment)
    supernet = load_supernet(experiment, data, directory / "supernet")
    space = Space.build(experiment.space, supernet)
    candidate = space.candidate(space.smallest())
    write_package(
        directory / "export",
        supernet=supernet,
        candidate=candidate,
        generator=completed(experiment.generator, **given_to_generator(data)),
        input_shape=(1, *data.input_shape),
        costs=CostModel(supernet, space).costs(candidate),
        scores={},
        experiment=experiment.model_dump(mode="json"),
        provenance={},
    )
    discriminator = directory / "supernet" / "discriminator.safetensors"
    finetune(experiment, teacher, directory / "export", directory / "finetune", discriminator=discriminator)
    losses = [json.loads((directory / stage / "result.json").read_text())["losses"] for stage in ("supernet", "finetune")]
    assert losses[0].keys() == losses[1].keys()
    return losses[1]


def test_terms_are_trained_with_in_both_stages(tmp_path: Path, vgg: str) -> None:
    terms = {**TOGETHER, "gram_style": 100.0, "perceptual": {"weight": 10.0, "against": "teacher"}}
    losses = through(paired(vgg, terms=terms), tmp_path)
    assert {name for name in losses if name.startswith("terms.")} == {f"terms.{key}" for key in terms}
    teacher = json.loads((tmp_path / "teacher" / "result.json").read_text())["losses"]
    assert not any(name.startswith("terms.") for name in teacher)


def test_students_of_an_unpaired_teacher_go_back(tmp_path: Path) -> None:
    experiment = make_task_experiment("unpaired", tmp_path / "data", **STAGES)
    experiment = with_losses(experiment, terms={"cycle": 10.0, "kernel_alignment": 1.0}, students={"adversarial_weight": 0.0})
    losses = through(experiment, tmp_path)
    assert {"terms.cycle", "terms.kernel_alignment"} <= set(losses) and "adversarial" not in losses and "discriminator" not in losses
    # Its way back decides the result, so another one is another training.
    weights = load_file(tmp_path / "teacher" / "generator_back.safetensors")
    save_file({name: value + 1 for name, value in weights.items()}, tmp_path / "teacher" / "generator_back.safetensors")
    with pytest.raises(ValueError, match="other settings"):
        train_supernet(experiment, tmp_path / "teacher", tmp_path / "supernet")


def test_students_of_domains_agree_on_classes(tmp_path: Path) -> None:
    experiment = make_task_experiment("multi_domain", tmp_path / "data", **STAGES)
    experiment = with_losses(experiment, terms={"class_agreement": 1.0, "generator_consistency": 1.0, "discriminator_consistency": 0.5})
    losses = through(experiment, tmp_path)
    assert {"terms.class_agreement", "terms.generator_consistency", "terms.discriminator_consistency"} <= set(losses)


def with_losses(experiment: Experiment, **losses: Any) -> Experiment:
    tree = experiment.model_dump(mode="json")
    tree["losses"] |= losses
    return Experiment.model_validate(tree)


def test_every_term_is_in_one_of_these_trainings() -> None:
    names = {value["name"] if isinstance(value, dict) and "name" in value else key for key, value in TOGETHER.items()}
    assert names | {"perceptual", "cycle", "class_agreement"} == set(TERMS)


def test_the_full_width_starts_where_the_teacher_is(tmp_path: Path, vgg: str) -> None:
    """The supernet is the teacher at first: what compares the two is 0, against whichever it is compared with."""
    terms = {key: value for key, value in TOGETHER.items() if key not in ("ssim", "total_variation", "style", "wavelet")}
    terms |= {"ssim": {"weight": 1.0, "against": "teacher"}, "truth": {"name": "ssim", "weight": 1.0}, "wavelet": TOGETHER["wavelet"]}
    experiment = paired(vgg, terms=terms)
    experiment = Experiment.model_validate(
        {**experiment.model_dump(mode="json"), "generator": {"name": "resnet", "args": {"base_channels": 8, "blocks": 1}}}
    )
    train_teacher(experiment, tmp_path / "teacher")
    data = build_data(experiment)
    objective = student_objective(experiment, data, tmp_path / "teacher")
    assert objective.teaching is not None and objective.teaching.asks_current and objective.needs_critic
    teacher = load_teacher(experiment, data, tmp_path / "teacher")
    batch = next(training_batches(data.train, 2, 0))
    situation = objective.prepare(batch, FixedTeacher(teacher, ["down2"], torch.device("cpu")))
    one = Generated(situation.taught, (*situation.features, *situation.features))
    found = objective.judge(CriticSide(build_discriminator(experiment, data), objective), situation, one)
    for key in terms:
        value = float(found[f"terms.{key}"][1].detach())
        assert value > 0.01 if key == "truth" else abs(value) < 1e-5, key


NEEDS = [
    ({"terms": {"kernel_alignment": 1}, "distillation_layers": []}, "losses.terms.kernel_alignment: needs the generators' features"),
    ({"terms": {"gram_style": 1}, "perceptual": None}, "losses.terms.gram_style: needs a perceptual network"),
    ({"terms": {"cycle": 1}}, "losses.terms.cycle: needs the teacher's way back"),
    ({"terms": {"class_agreement": 1}}, "losses.terms.class_agreement: needs a dataset of domains, and this one is paired"),
    ({"terms": {"discriminator_features": 1}, "adversarial_weight": 0.0}, "needs a trained discriminator: give losses.adversarial_weight"),
    (
        {"terms": {"wavelet": {"weight": 1, "args": {"levels": 6}}}},
        "losses.terms.wavelet: wavelet with levels: 6 needs images of at least 64",
    ),
    ({"terms": {"style": {"name": "gram_style", "weight": 1, "args": {"of": "both"}}}}, "losses.terms: of must be one of"),
    ({"terms": {"discriminator_features": {"weight": 1, "args": {"layers": ["nowhere"]}}}}, "the discriminator has no module 'nowhere'"),
]


@pytest.mark.parametrize(("losses", "problem"), NEEDS)
def test_what_a_term_lacks_is_told_before_anything_is_trained(losses: dict[str, Any], problem: str, vgg: str) -> None:
    experiment = paired(vgg, **losses)
    data = build_data(experiment)
    found = term_problems(experiment, data, build_generator(experiment, data), build_discriminator(experiment, data))
    assert len(found) == 1 and problem in found[0]


def test_terms_that_have_what_they_need_pass(vgg: str) -> None:
    experiment = paired(vgg, terms={**TOGETHER, "gram_style": 1.0, "perceptual": 1.0})
    data = build_data(experiment)
    assert term_problems(experiment, data, build_generator(experiment, data), build_discriminator(experiment, data)) == []
    imported = Experiment.model_validate({**experiment.model_dump(mode="json"), "teacher": {**OPTIMIZATION, "checkpoint": "g.pth"}})
    found = term_problems(imported, data, build_generator(experiment, data), build_discriminator(experiment, data))
    assert len(found) == 4 and all("give teacher.discriminator_checkpoint" in problem for problem in found)


def test_check_takes_a_recipe_and_refuses_a_students_weight_that_the_task_has_not(tmp_path: Path, vgg: str) -> None:
    tree = paired(vgg).model_dump(mode="json")
    tree["losses"] = {"distillation_layers": ["down2"]}
    for recipe in ("self_supervised", "cat", "gcc", "wavelet", "gan_compression"):
        experiment = Experiment.model_validate({**tree, "recipe": recipe})
        check(experiment)
        assert experiment.losses.active_terms() or recipe == "gan_compression"
    tree["losses"] |= {"students": {"cycle_weight": 1.0}}
    with pytest.raises(ConfigError, match=r"losses\.students\.cycle_weight has no effect on the task"):
        check(Experiment.model_validate({**tree, "recipe": "cat"}))


def test_results_of_before_stay_results(vgg: str) -> None:
    """What is recorded as a training's identity has nothing of terms where an experiment has none."""
    experiment = make_experiment()
    assert not {"terms", "students"} & set(_losses(experiment))
    dumped = experiment.model_dump(mode="json")["losses"]
    assert _losses(experiment) == {key: value for key, value in dumped.items() if key not in ("terms", "students")}
    data = build_data(experiment)
    before = identity(experiment, experiment.supernet, data)
    other = with_losses(experiment, terms={"ssim": 1.0})
    assert identity(other, other.supernet, data) != before
    assert asked_files(experiment) == [] and asked_files(paired(vgg, terms={"discriminator_features": 1})) == ["discriminator.safetensors"]
    current = {"discriminator_features": {"weight": 1, "args": {"discriminator": CURRENT}}}
    assert asked_files(paired(vgg, terms=current)) == []
    with pytest.raises(ConfigError, match="must be one of"):
        asked_files(paired(vgg, terms={"discriminator_features": {"weight": 1, "args": {"discriminator": "nobody"}}}))
