"""What the watch over a supernet is made of: trivial answers, which subnets, what counts as collapsed, what is written down."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_experiment import make_experiment
from tiny_tasks import make_task_experiment

from autogc.config.experiment import LossWeights, SupernetConfig
from autogc.data.inputs import DomainInput, LabelInput, NoiseInput, PictureInput
from autogc.training.stage import build_data
from autogc.training.watch import look_interval
from autogc.training.watch.record import Record
from autogc.training.watch.scene import Scene, spread_places
from autogc.training.watch.subnets import watched_subnets
from autogc.training.watch.trivial import image_given, likeness, mean_image, trivial_answers
from autogc.training.watch.verdict import Rule, judged, rule_of


def grey(level: float, *shape: int) -> torch.Tensor:
    """An image of one 8-bit level."""
    return torch.full(shape, level / 127.5 - 1)


def test_trivial_answers_are_what_arithmetic_says() -> None:
    given = torch.linspace(-1, 1, 12).view(1, 3, 2, 2)
    found = trivial_answers(given, torch.Size((1, 3, 4, 4)), grey(90, 1, 3, 4, 4))
    assert set(found) == {"nearest", "bicubic", "mean image"}
    assert np.array_equal(found["nearest"].numpy(), given.numpy().repeat(2, axis=2).repeat(2, axis=3))
    assert found["bicubic"].shape == (1, 3, 4, 4) and torch.equal(found["mean image"], grey(90, 1, 3, 4, 4))
    flat = trivial_answers(grey(7, 1, 3, 2, 2), torch.Size((1, 3, 4, 4)), grey(90, 1, 3, 4, 4))
    assert torch.allclose(flat["bicubic"], grey(7, 1, 3, 4, 4), atol=1e-6)
    same = trivial_answers(given, given.shape, torch.zeros(1, 3, 8, 8))
    assert set(same) == {"input", "mean colour"} and same["input"] is given
    assert set(trivial_answers(None, torch.Size((1, 3, 4, 4)), torch.zeros(1, 3, 4, 4))) == {"mean image"}


def test_the_mean_image_is_of_pixels_or_of_colours_where_sizes_differ() -> None:
    assert torch.allclose(mean_image([grey(10, 1, 1, 2, 2), grey(30, 1, 1, 2, 2)]), grey(20, 1, 1, 2, 2))
    images = [torch.tensor([[[[0.0, 0.5]]]]), torch.tensor([[[[1.0, 1.0, 1.0]]]])]
    assert torch.allclose(mean_image(images), torch.tensor([[[[0.625]]]]))


def test_likeness_is_psnr_over_eight_bits() -> None:
    # Two levels apart everywhere: 20 log10(255 / 2).
    assert likeness(grey(100, 2, 3, 4, 4), grey(102, 2, 3, 4, 4)) == pytest.approx(20 * math.log10(255 / 2))
    assert likeness(grey(100, 1, 3, 4, 4), grey(100, 1, 3, 4, 4)) == 100
    broken = grey(100, 2, 3, 4, 4)
    broken[1, 0, 0, 0] = torch.nan
    assert likeness(broken, grey(100, 2, 3, 4, 4)) == 50  # one is equal, the other counts as 0


def test_an_input_is_an_image_where_it_is_one() -> None:
    batch: Any = SimpleNamespace(input=torch.rand(2, 5, 4, 4))
    for kind, expected in ((DomainInput(), (2, 3, 4, 4)), (LabelInput(5), None), (NoiseInput(5, 0), None), (PictureInput(), None)):
        found = image_given(SimpleNamespace(input=kind), batch, 3)  # type: ignore[arg-type]
        assert (None if found is None else tuple(found.shape)) == expected
    one: Any = SimpleNamespace(input=torch.rand(2, 1, 4, 4))
    found = image_given(SimpleNamespace(input=PictureInput()), one, 3)  # type: ignore[arg-type]
    assert found is not None and torch.equal(found[:, 2:], one.input)


def test_rules_by_task() -> None:
    imitating, without = LossWeights(), LossWeights(reconstruction_weight=0)
    assert rule_of("paired", imitating, has_critic=True) == Rule() == Rule(0.3, constant_only=False, least_variation=None)
    assert rule_of("unconditional", imitating, has_critic=False) == Rule()  # nothing but the teacher's images is asked for
    for kind in ("unpaired", "domains"):
        rule = rule_of(kind, imitating, has_critic=True)
        assert (rule.margin_db, rule.constant_only, rule.least_variation) == (0.0, True, None) and rule.reason
    for kind, losses in (("unconditional", imitating), ("paired", without), ("unpaired", without)):
        rule = rule_of(kind, losses, has_critic=True)
        assert (rule.margin_db, rule.constant_only, rule.least_variation) == (0.0, True, 0.25)


def test_most_subnets_decide_and_the_smallest_alone_is_a_corner() -> None:
    trivial = {"bicubic": 27.6, "nearest": 25.1, "mean image": 12.0}
    found = {"full": 44.0, "random 1": 30.0, "random 2": 29.0, "random 3": 27.8, "smallest": 25.1}
    nothing = dict.fromkeys(found, 0.0)
    verdict = judged(Rule(), found, trivial, nothing)
    assert verdict.best == ("bicubic", 27.6) and verdict.trivial == ("random 3", "smallest")
    assert verdict.corner and not verdict.collapsed
    worse = judged(Rule(), found | {"random 2": 27.89}, trivial, nothing)
    assert worse.collapsed and not worse.corner  # 0.29 dB are too few
    assert not judged(Rule(), found | {"random 2": 27.91}, trivial, nothing).collapsed
    # Only the mean image counts, and being beside it without varying.
    lenient = Rule(0.0, constant_only=True, least_variation=0.25)
    below = dict.fromkeys(found, 11.0)
    assert not judged(Rule(0.0, constant_only=True), found, trivial, nothing).trivial
    assert judged(lenient, below, trivial, dict.fromkeys(found, 0.1)).collapsed
    assert not judged(lenient, below, trivial, dict.fromkeys(found, 0.9)).trivial


@pytest.mark.parametrize(
    ("watch_every", "steps", "batch_size", "calibrated", "expected"),
    [
        (70, 100, 4, False, 70),
        (0.25, 100, 4, False, 25),
        ("auto", 900, 4, False, 113),  # 3 % of 3 x 3600 passes are 324: eight looks of 5 x 8
        ("auto", 900, 4, True, 450),  # 5 x (8 + 16) a look: two, which are always taken
        ("auto", 500_000, 1, False, 25_000),  # twenty at the most
        ("auto", 1, 1, False, 1),
    ],
)
def test_how_often_it_looks(watch_every: Any, steps: int, batch_size: int, calibrated: bool, expected: int) -> None:
    config = SupernetConfig(steps=steps, batch_size=batch_size, watch_every=watch_every)
    assert look_interval(config, calibrated=calibrated) == expected


def test_places_are_spread_over_the_split() -> None:
    assert spread_places(8, 4) == [1, 3, 5, 7]
    assert spread_places(3, 8) == [0, 1, 2]


class Space:
    """Four decisions of five values; a candidate is its row."""

    decisions = tuple(SimpleNamespace(name=str(index), values=(16, 8, 4, 2, 1)) for index in range(4))

    @staticmethod
    def genotype(row: np.ndarray) -> tuple[int, ...]:
        return tuple(int(value) for value in row)

    @staticmethod
    def candidate(genotype: tuple[int, ...]) -> Any:
        return SimpleNamespace(hash=str(genotype), row=genotype)


class Costs:
    """MACs are the product of the values, parameters their sum."""

    unknown = ("latency_ms",)

    def costs_of(self, rows: np.ndarray, *, only: Any) -> dict[str, np.ndarray]:
        values = 16 // 2 ** np.asarray(rows)
        return {"macs": values.prod(axis=1), "params": values.sum(axis=1)}

    def costs(self, candidate: Any, *, only: Any) -> dict[str, int]:
        return {name: int(found[0]) for name, found in self.costs_of(np.array([candidate.row]), only=only).items()}

    def feasible(self, rows: np.ndarray, constraints: dict[str, float]) -> np.ndarray:
        costs = self.costs_of(rows, only=())
        return np.all([costs[name] <= limit for name, limit in constraints.items()] or [np.ones(len(rows), bool)], axis=0)


def test_five_subnets_spread_over_cost() -> None:
    found = watched_subnets(Space, Costs(), {}, seed=0)  # type: ignore[arg-type]
    assert [one.name for one in found] == ["full", "random 1", "random 2", "random 3", "smallest"]
    assert (found[0].macs, found[-1].macs) == (16**4, 1)
    # 2^16 to 1: a quarter of the way each, to within a factor of two.
    for one, expected in zip(found[1:-1], (12, 8, 4), strict=True):
        assert abs(math.log2(one.macs) - expected) <= 1
    assert found == watched_subnets(Space, Costs(), {}, seed=0)  # type: ignore[arg-type]
    assert found != watched_subnets(Space, Costs(), {}, seed=1)  # type: ignore[arg-type]


def test_random_subnets_meet_the_constraints_that_are_known() -> None:
    found = watched_subnets(Space, Costs(), {"params": 20, "latency_ms": 1e-9}, seed=0)  # type: ignore[arg-type]
    drawn = [one for one in found if one.name.startswith("random")]
    assert drawn and all(Costs().costs(one.candidate, only=())["params"] <= 20 for one in drawn)
    assert found[0].name == "full" and found[0].macs == 16**4  # what the others are shown beside
    assert len(watched_subnets(Space, Costs(), {"params": 1}, seed=0)) == 5  # type: ignore[arg-type]


def test_a_record_goes_on_and_one_of_other_things_is_begun_anew(tmp_path: Path) -> None:
    record = Record(tmp_path, about={"identity": "a", "images": ("x",)})
    assert record.at(2) is None
    record.drawing(4).write_bytes(b"png")
    record.keep(4, {"to_teacher": {"full": 3.0}})
    record.drawing(2).write_bytes(b"png")
    record.keep(2, {"to_teacher": {"full": 1.0}})
    again = Record(tmp_path, about={"identity": "a", "images": ("x",)})
    assert again.at(2) == {"step": 2, "to_teacher": {"full": 1.0}} and again.at(4) is not None
    again.drawing(4).unlink()
    assert again.at(4) is None  # it is taken, and drawn, again
    other = Record(tmp_path, about={"identity": "b", "images": ("x",)})
    assert other.at(2) is None and not list(tmp_path.glob("*.png"))
    (tmp_path / "history.json").write_text("{")
    assert Record(tmp_path, about={"identity": "b"}).at(2) is None


def test_a_scene_of_labels_knows_what_varies() -> None:
    data = build_data(make_experiment())

    def teacher(inputs: torch.Tensor) -> torch.Tensor:
        return inputs[:, :3] * 0.5

    scene = Scene.of_teacher(data, teacher, images=8, seed=0)
    assert len(scene.examples) == 2 and set(scene.trivial()) == {"mean image"}
    same = scene.make(teacher)
    assert scene.to_answer(same) == 100 and scene.variation(same) == pytest.approx(1)
    assert scene.variation([torch.zeros(1, 3, 32, 32)] * 2) == 0
    truth = [example.truth for example in scene.examples]
    assert scene.to_truth(truth) == 100  # type: ignore[arg-type]
    assert Scene.of_truth(data, images=1, seed=0).to_answer([data.validation.batch([1]).target]) == 100


def test_a_scene_of_super_resolution_is_as_large_as_training_crops(tmp_path: Path) -> None:
    data = build_data(make_task_experiment("super_resolution", tmp_path))  # images of 48, crops of 32, twice as large as inputs
    scene = Scene.of_teacher(data, lambda x: torch.nn.functional.interpolate(x, scale_factor=2.0), images=2, seed=0)
    for example in scene.examples:
        assert example.input.shape == (1, 3, 16, 16) and example.answer.shape == (1, 3, 32, 32)
        assert example.truth is not None and example.truth.shape == (1, 3, 32, 32)
    found = {name: scene.to_answer(images) for name, images in scene.trivial().items()}
    assert found["nearest"] == 100 and found["bicubic"] < 100 and found["mean image"] < found["bicubic"]


@pytest.mark.parametrize("task", ["unpaired", "unconditional", "multi_domain"])
def test_scenes_of_other_tasks(task: str, tmp_path: Path) -> None:
    data = build_data(make_task_experiment(task, tmp_path / "data"))
    channels, height, width = data.target_shape
    scene = Scene.of_teacher(data, lambda x: x.mean((1, 2, 3), keepdim=True).expand(len(x), channels, height, width), images=2, seed=0)
    assert set(scene.trivial()) == ({"mean image"} if task == "unconditional" else {"input", "mean image"})
    assert scene.to_truth(scene.make(lambda x: torch.zeros(len(x), channels, height, width))) is None
