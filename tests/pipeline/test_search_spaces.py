"""Every experiment file that is shipped can be read, names what there is, says how it is run, and passes its dry run on a tiny dataset.

The dry runs here are of narrow networks on small pictures. Those of the full size, and what the papers say of them:

    python -m pytest -m slow tests/pipeline/test_search_spaces.py
"""

from pathlib import Path

import pytest
from tiny_layouts import lay_out

from autogc.config.load import load_experiment
from autogc.pipeline import check
from autogc.pipeline.check_components import problems_of_parts

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
    assert dimensions == set(written.space.dimensions)
