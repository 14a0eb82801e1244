"""What every registered similarity must do, and LPIPS against its formula; a new one adds one row to ``lpips_by_hand.KINDS``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lpips_by_hand import KINDS, by_hand

from autogc.config.experiment import Component, ScoresConfig
from autogc.data import DATASETS, Dataset
from autogc.errors import CheckpointError, ConfigError, MetricError
from autogc.metrics import SIMILARITIES, Judge, JudgeNetwork
from autogc.metrics.networks import problems_of

EVERY = pytest.mark.parametrize("name", list(SIMILARITIES))
DATA = DATASETS.build("streets", {"height": 37, "width": 52, "train": 2, "validation": 4, "test": 2}, seed=0)
TARGET = DATA.validation.batch().target
NOISE = torch.randn(TARGET.shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    return {name: by_hand(name).write(tmp_path_factory.mktemp(name)) for name in KINDS}


def built(name: str, files: dict[str, dict[str, str]], data: Dataset = DATA) -> JudgeNetwork:
    return SIMILARITIES.build(name, files[name], data=data, seed=0)


def test_every_similarity_is_here() -> None:
    assert set(SIMILARITIES) == set(KINDS)


@EVERY
def test_it_equals_its_formula_and_is_nothing_between_equal_pictures(name: str, files: dict[str, dict[str, str]]) -> None:
    network = built(name, files)
    pictures = (TARGET + 0.3 * NOISE).clamp(-1, 1)
    found = network.distances(pictures, TARGET)
    assert found.shape == (4,)
    assert found.tolist() == pytest.approx(by_hand(name).distances(pictures, TARGET).tolist(), rel=1e-3)
    assert network.distances(TARGET, pictures).tolist() == pytest.approx(found.tolist(), rel=1e-5)
    assert network.distances(TARGET, TARGET).tolist() == [0, 0, 0, 0]


@EVERY
def test_more_noise_is_further_away_and_each_pair_stands_alone(name: str, files: dict[str, dict[str, str]]) -> None:
    network = built(name, files)
    means = [network.distances((TARGET + level * NOISE).clamp(-1, 1), TARGET) for level in (0.05, 0.2, 0.6)]
    assert (means[0] < means[1]).all() and (means[1] < means[2]).all()
    alone = network.distances((TARGET[2:3] + 0.2 * NOISE[2:3]).clamp(-1, 1), TARGET[2:3])
    assert alone.item() == pytest.approx(means[1][2].item(), rel=1e-4)


@EVERY
def test_the_smallest_pictures_are_those_that_have_every_layer(name: str, files: dict[str, dict[str, str]]) -> None:
    network = built(name, files)
    smallest = network.backbone.smallest
    pictures = torch.rand(2, 3, smallest, smallest + 3)
    assert torch.isfinite(network.distances(pictures, -pictures)).all()
    with pytest.raises(RuntimeError):
        by_hand(name).distances(*(torch.rand(1, 3, smallest - 1, smallest + 3) for _ in range(2)))
    with pytest.raises(MetricError, match=f"at least {smallest} x {smallest}, and they are {smallest - 1} x 60"):
        network.distances(torch.rand(1, 3, smallest - 1, 60), torch.rand(1, 3, smallest - 1, 60))
    tiny = replace(DATA, target_shape=(3, 8, 64))
    with pytest.raises(ConfigError, match=f"{name}: LPIPS over .* they are 8 x 64"):
        built(name, files, tiny)


def test_its_hash_is_of_both_files_and_provenance_says_it(files: dict[str, dict[str, str]], tmp_path: Path) -> None:
    similarity = Component(name="lpips_alex", args=files["lpips_alex"])
    judge = Judge.prepare(ScoresConfig(feature_network=None, segmenter=None, similarity=similarity), DATA, tmp_path / "judge", seed=0)
    batches = DATA.validation.batches(16)
    found = judge.score(lambda inputs: next(batches).target * 0.5, DATA.validation, metrics=("lpips", "psnr")).scores
    dimmed = (TARGET * 0.5).mul(127.5).add(127.5).round().div(127.5).sub(1)
    assert found["lpips"] == pytest.approx(float(by_hand("lpips_alex").distances(dimmed, TARGET).mean()), rel=1e-3)
    said = judge.provenance(DATA.validation)
    assert "LPIPS 0.1 over AlexNet" in said["similarity"] and len(said["similarity_hash"]) == 64
    other = tmp_path / "linear.pth"
    linear = torch.load(files["lpips_alex"]["linear"], weights_only=True)
    torch.save({key: 2 * value for key, value in linear.items()}, other)
    twice = built("lpips_alex", {"lpips_alex": files["lpips_alex"] | {"linear": str(other)}})
    assert twice.weights_hash != said["similarity_hash"]
    assert torch.allclose(twice.distances(dimmed, TARGET).mean().double(), torch.tensor(2 * found["lpips"]).double(), rtol=1e-4)


@EVERY
def test_files_of_something_else_and_files_that_are_not_there(name: str, files: dict[str, dict[str, str]], tmp_path: Path) -> None:
    other = next(one for one in KINDS if one != name)
    with pytest.raises(CheckpointError, match=r"is no .* of torchvision: features\.0\.weight should have shape|should have shape"):
        built(name, {name: files[name] | {"backbone": files[other]["linear"]}})
    with pytest.raises(CheckpointError, match=r"does not fit LPIPS's weights over .* lin0\.model\.1\.weight"):
        built(name, {name: files[name] | {"linear": files[name]["backbone"]}})
    nowhere = {"backbone": str(tmp_path / "a.pth"), "linear": str(tmp_path / "b.pth")}
    with pytest.raises(ConfigError, match=r"(?s)a\.pth does not exist; give torchvision's .*b\.pth does not exist; give LPIPS"):
        built(name, {name: nowhere})


def test_a_damaged_file_is_told_by_the_hash_in_its_name(files: dict[str, dict[str, str]], tmp_path: Path) -> None:
    named = tmp_path / "alexnet-owt-7be5be79.pth"
    named.write_bytes(Path(files["lpips_alex"]["backbone"]).read_bytes())
    with pytest.raises(CheckpointError, match="its name says that its SHA-256 begins with 7be5be79"):
        built("lpips_alex", {"lpips_alex": files["lpips_alex"] | {"backbone": str(named)}})


def test_an_experiment_that_cannot_have_one_is_told(files: dict[str, dict[str, str]]) -> None:
    unpaired = DATASETS.build("streets", {"height": 37, "width": 52, "train": 2, "validation": 2, "test": 2}, seed=0)
    unpaired.kind = "unpaired"
    scores = ScoresConfig(feature_network=None, segmenter=None, similarity=Component(name="lpips_alex", args=files["lpips_alex"]))
    assert problems_of(scores, DATA) == []
    assert any("no real picture for each generated one" in problem for problem in problems_of(scores, unpaired))
    wrong = scores.model_copy(update={"similarity": Component(name="lpips_alx", args={})})
    assert any("did you mean 'lpips_alex'" in problem for problem in problems_of(wrong, DATA))
