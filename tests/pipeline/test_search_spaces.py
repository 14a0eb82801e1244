"""Every experiment file that is shipped can be read, names what there is, says how it is run, and passes its dry run on a tiny dataset.

The dry runs here are of narrow networks on small pictures. Those of the full size, and what the papers say of them:

    python -m pytest -m slow tests/pipeline/test_search_spaces.py
"""

from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_layouts import lay_out

from autogc.config.experiment import Optimization
from autogc.config.load import load_experiment
from autogc.cost import CostModel
from autogc.pipeline import check, make_plan
from autogc.pipeline.check_components import problems_of_parts
from autogc.supernet.candidate import Candidate
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet
from autogc.training.stage import build_data, build_generator, example_input

ROOT = Path(__file__).resolve().parents[2]
FILES = {path.stem: path for path in sorted((ROOT / "search_spaces").glob("*.yaml"))}

NARROW = ["generator.args.base_channels=16", "discriminator.args.base_channels=8"]
NARROWEST = ["generator.args.base_channels=8", "discriminator.args.base_channels=8"]


def small(height: int, width: int | None = None, *, load: bool = False) -> list[str]:
    sizes = {"height": height, "width": width or height}
    return [f"data.args.{side}={value}" for side, value in sizes.items()] + (
        [f"data.args.load_{side}={value + 4}" for side, value in sizes.items()] if load else []
    )


SPADE = [*NARROWEST, "generator.args.hidden_channels=16"]
SUPER_RESOLUTION = [*NARROW, "data.args.crop=16"]
# Smaller networks and pictures of the same structure: what a dry run of each file takes a second or two for.
REDUCED: dict[str, list[str]] = {
    "animevideo_imitation": ["data.args.crop=8"],  # its weights are the released ones
    "camvid_gaugan_small": [*SPADE, *small(32)],
    "camvid_pix2pix": [*NARROW, *small(32)],
    "camvid_pix2pix_full": [*NARROW, *small(32)],
    "celeba_stargan": [*NARROW, *small(64)],
    "cityscapes_gaugan": [*SPADE, *small(64)],
    "cityscapes_pix2pix": [*NARROW, *small(32, load=True)],
    "coco_gaugan": [*SPADE, *small(32, load=True)],
    "coloured_digits_stargan_small": NARROW,
    "div2k_srgan": [*SUPER_RESOLUTION, *small(32)],
    "edges2shoes_pix2pix": [*NARROW, *small(32, load=True)],
    "edges2shoes_unet": NARROWEST,  # its eight halvings need the 256 pixels
    "horse2zebra_cyclegan": [*NARROW, *small(32, load=True)],
    "map2aerial_pix2pix": [*NARROW, *small(32, load=True)],
    "mnist_dcgan": NARROW,
    "mnist_dcgan_small": NARROW,
    "monet2photo_cyclegan": [*NARROW, *small(32, load=True)],
    "monet2photo_cyclegan_small": [*NARROW, *small(32, load=True)],
    "quickstart": [*NARROW, *small(32), *(f"data.args.{split}=2" for split in ("train", "validation", "test"))],
    "t91_srgan_small": SUPER_RESOLUTION,
}


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_file_is_right(name: str) -> None:
    path = FILES[name]
    experiment = load_experiment(path)
    assert problems_of_parts(experiment) == []
    assert experiment.name == name
    assert path.read_text().splitlines()[0].startswith(f"# autogc run search_spaces/{path.name}")


@pytest.mark.parametrize("name", FILES)
def test_a_narrow_copy_passes_every_check(name: str, tmp_path: Path) -> None:
    """Its layers, groups and sites have the names of the full network's, so every pattern of the file is proven to match."""
    written = load_experiment(FILES[name])
    checked = check(load_experiment(FILES[name], overrides=[*lay_out(written, tmp_path), *REDUCED[name]]))
    dimensions = {
        dimension for decision in checked.space.decisions for value in decision.values for dimension, _, _ in decision.effects(value)
    }
    assert dimensions == set(written.space.dimensions or dimensions)


@dataclass(frozen=True)
class Recipe:
    """A line of GAN Compression's table 5, its batch size (section 4.1), and what table 1 reaches: G MACs, millions of parameters.

    ``images`` are those of one epoch before any are held out; epochs are (constant, decaying).
    """

    images: int
    batch: int
    training: tuple[int, int]
    supernet: tuple[int, int]
    reconstruction: float
    distillation: float
    adversarial: str
    discriminator: int
    reached: tuple[float, float]


GAN_COMPRESSION = {
    "edges2shoes_pix2pix": Recipe(49_825, 4, (5, 15), (10, 30), 100, 1, "hinge", 128, (4.81, 0.70)),
    "map2aerial_pix2pix": Recipe(1_096, 1, (100, 200), (200, 400), 10, 0.01, "hinge", 128, (4.68, 0.75)),
    # Its inputs are of 20 channels instead of 3, which a stem of 48 channels multiplies with at every one of 49 x 256 x 256 places.
    "cityscapes_pix2pix": Recipe(2_975, 1, (100, 150), (200, 300), 100, 1, "hinge", 128, (5.66 + 17 * 48 * 49 * 256 * 256 / 1e9, 0.71)),
    "horse2zebra_cyclegan": Recipe(1_334, 1, (100, 100), (200, 200), 10, 0.01, "lsgan", 64, (2.67, 0.34)),
    "cityscapes_gaugan": Recipe(2_975, 16, (100, 100), (100, 100), 10, 10, "hinge", 64, (31.7, 20.4)),
}


@pytest.mark.parametrize("name", GAN_COMPRESSION)
def test_hyperparameters_are_those_of_gan_compression(name: str) -> None:
    experiment, recipe = load_experiment(FILES[name]), GAN_COMPRESSION[name]
    images, losses = recipe.images - experiment.data.args["validation_count"], experiment.losses
    stages: list[tuple[Optimization, tuple[int, int]]] = [
        (experiment.teacher, recipe.training),
        (experiment.supernet, recipe.supernet),
        (experiment.finetune, recipe.training),
    ]
    for stage, (constant, decaying) in stages:
        assert (stage.steps, stage.batch_size) == (images * (constant + decaying) // recipe.batch, recipe.batch)
        assert stage.constant_fraction == pytest.approx(constant / (constant + decaying), abs=1e-4)
        assert stage.learning_rate == (1e-4 if "gaugan" in name else 2e-4)
    perceptual = "gaugan" in name
    assert (losses.perceptual_weight if perceptual else losses.reconstruction_weight) == recipe.reconstruction
    assert (losses.distillation_weight, losses.adversarial.name) == (recipe.distillation, recipe.adversarial)
    assert experiment.discriminator.args["base_channels"] == recipe.discriminator
    macs, millions = recipe.reached
    assert experiment.search.constraints["macs_published"] == pytest.approx(macs * 1e9, rel=1e-3)
    assert experiment.search.constraints["storage_bytes"] == pytest.approx(4 * millions * 1e6)


@pytest.mark.parametrize(
    ("name", "images", "epochs", "batch"),
    [
        # Batches of an epoch are of as many images; StarGAN's discriminator has five of them for a step.
        ("mnist_dcgan", 60_000 - 5_000, 25, 64),
        ("celeba_stargan", 202_599 - 2_000 - 2_599, 20, 16 * 5),
        ("monet2photo_cyclegan", 6_287 - 87, 200, 1),
    ],
)
def test_epochs_of_the_self_supervised_paper_s_baselines(name: str, images: int, epochs: int, batch: int) -> None:
    """Section 5: baselines train as in their public repositories, and are compressed in a tenth of their epochs."""
    experiment = load_experiment(FILES[name])
    assert experiment.teacher.steps == images * epochs // batch
    assert experiment.finetune.steps == images * epochs // batch // 10
    held = sum(experiment.data.args.get(count, 0) for count in ("validation_count", "test_count"))
    assert images == {"mnist_dcgan": 60_000, "celeba_stargan": 202_599, "monet2photo_cyclegan": 6_287}[name] - held
    for dimension in ("element_pruning", "filter_pruning"):  # section 6
        for values in experiment.space.dimensions[dimension].choices.values():
            assert values == (0.0, 0.25, 0.5, 0.75, 0.9)


def row(name: str) -> list[str]:
    """Return the cells of a file's row in docs/experiments.md: file, family, data, task, size, MACs, parameters, from, needs."""
    lines = (ROOT / "docs" / "experiments.md").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"| `{name}` |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("name", FILES)
def test_the_table_of_experiments_has_the_file(name: str) -> None:
    experiment, cells = load_experiment(FILES[name]), row(name)
    assert len(cells) == 9
    assert cells[1] == (experiment.generator.name or experiment.generator.class_name)
    assert all(cells)


# What the papers say of the networks that these files compress: parameters, MACs as published.
RESNET = (11_378_179, 56_799_264_768)  # GAN Compression, table 1: 11.3 M, 56.8 G
PUBLISHED = {
    "edges2shoes_pix2pix": RESNET,
    "map2aerial_pix2pix": RESNET,
    "horse2zebra_cyclegan": RESNET,
    "monet2photo_cyclegan": RESNET,
    # 17 more channels into the stem.
    "cityscapes_pix2pix": (RESNET[0] + 17 * 64 * 49, RESNET[1] + 17 * 64 * 49 * 256 * 256),
    "edges2shoes_unet": (54_413_955, 18_140_364_800),  # table 7: 54.4 M, 18.1 G
    "cityscapes_gaugan": (93_048_003, 281_276_612_608),  # table 1: 93.0 M, 281 G
    "coco_gaugan": (97_480_899, 191_140_069_376),  # no paper's at hand
}


# Pictures so many times smaller in each direction: a convolution's multiplications are then fewer by the square of that, exactly.
SMALLER = {
    "edges2shoes_pix2pix": 8,
    "map2aerial_pix2pix": 8,
    "cityscapes_pix2pix": 8,
    "horse2zebra_cyclegan": 8,
    "cityscapes_gaugan": 4,
    "coco_gaugan": 8,
}


@pytest.mark.parametrize("name", SMALLER)
def test_costs_are_the_papers_and_limits_can_be_met(name: str, tmp_path: Path) -> None:
    """The whole network on small pictures; ``storage_bytes`` is the same at every size."""
    written = load_experiment(FILES[name])
    args, area = written.data.args, SMALLER[name] ** 2
    sizes = small(args["height"] // SMALLER[name], args["width"] // SMALLER[name], load="load_height" in args)
    experiment = load_experiment(FILES[name], overrides=[*lay_out(written, tmp_path), *sizes])
    data = build_data(experiment)
    supernet = Supernet.convert(
        build_generator(experiment, data),
        example_input(data),
        decompose=experiment.supernet.decompose,
        importance="position",
        verify=False,
    )
    costs = CostModel(supernet, Space.build(experiment.space, supernet))
    teacher = costs.costs(Candidate({}))
    assert (teacher["params"], teacher["macs_published"] * area) == PUBLISHED[name]
    limits = {cost: limit / (area if cost.startswith("macs") else 1) for cost, limit in experiment.search.constraints.items()}
    assert costs.feasible_share(limits) > 1e-3


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", FILES)
def test_the_dry_run_at_full_size(name: str, tmp_path: Path) -> None:
    """What ``autogc run FILE --dry-run`` does, but for the pictures; the table's costs are the teacher's."""
    overrides = lay_out(load_experiment(FILES[name]), tmp_path)
    plan = make_plan(tmp_path / "run", load_experiment(FILES[name], overrides=overrides))
    assert 0 < plan.share <= 1
    parameters, macs = plan.teacher["params"], plan.teacher["macs_published"]
    if name in PUBLISHED:
        assert (parameters, macs) == PUBLISHED[name]
    assert row(name)[5:7] == [shown(macs), shown(parameters)]


def shown(value: int) -> str:
    """Return a count with four digits and a unit, as the table has it."""
    unit, letter = next((unit, letter) for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if value >= unit)
    return f"{value / unit:#.4g} {letter}"
