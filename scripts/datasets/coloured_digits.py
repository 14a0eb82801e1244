"""Make a set of many domains out of MNIST, for StarGAN: digits in three colours, with thin or thick strokes.

    python scripts/datasets/coloured_digits.py MNIST_FOLDER DIRECTORY --train 10000 --validation 1000 --test 1000

The result is derived and synthetic: the shapes are MNIST's (LeCun et al.), reduced to their middle lines and drawn again with a pen of one
width; colours and widths are drawn from the seed. It says so in its README.txt. Training and validation digits are of MNIST's training
file, test digits of its test file. DIRECTORY gets pictures/NNNNNN.png, attributes.txt (in the format of CelebA's list_attr_celeba.txt: red,
green, blue, thin, thick) and partition.txt (of its list_eval_partition.txt), for

    data: {name: attributes, args: {root: DIRECTORY, pictures: pictures, table: attributes.txt, partition: partition.txt,
           domains: [red, green, blue, thick], height: 32, width: 32, mirror: false}}
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

from autogc.data.mnist import FILES, SIDE, read_digits
from autogc.errors import ConfigError
from autogc.files import replacing_directory, write_text

COLOURS = {"red": (235, 45, 45), "green": (45, 205, 70), "blue": (60, 90, 240)}
# Half the pen's width, in pixels of MNIST's 28.
PENS = {"thin": 0.6, "thick": 1.9}
COLUMNS = (*COLOURS, *PENS)
# Shapes are thinned at so many times their size, so that the lines are smooth.
FINER = 3
INK = 110
CHUNK = 500
PARTS = ("train", "validation", "test")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path, help="the folder of MNIST's idx files, gzipped or not")
    parser.add_argument("directory", type=Path, help="where the set is written; must not exist yet")
    parser.add_argument("--train", type=int, default=10_000, help="pictures to train on (default 10000)")
    parser.add_argument("--validation", type=int, default=1_000, help="pictures to search on (default 1000)")
    parser.add_argument("--test", type=int, default=1_000, help="pictures to report on (default 1000)")
    parser.add_argument("--size", type=int, default=32, help="their height and width in pixels (default 32)")
    parser.add_argument("--seed", type=int, default=0, help="which digits, colours and widths (default 0)")
    arguments = parser.parse_args()
    if arguments.directory.exists():
        parser.error(f"{arguments.directory} exists already")
    counts = {part: getattr(arguments, part) for part in PARTS}
    try:
        make(arguments.mnist, arguments.directory, counts=counts, size=arguments.size, seed=arguments.seed)
    except ConfigError as error:
        parser.error(str(error))
    print(f"{arguments.directory}: {sum(counts.values())} pictures; see its README.txt")


def make(mnist: Path, directory: Path, *, counts: dict[str, int], size: int, seed: int) -> None:
    """Write the set, whole or not at all. Raises ``DataError`` for MNIST's files, ``ConfigError`` for counts that it does not have."""
    dice = np.random.default_rng(seed)
    table, partition = [], []
    with replacing_directory(directory) as beside:
        (beside / "pictures").mkdir()
        for part, digits in _chosen(mnist, counts, dice).items():
            for start in range(0, len(digits), CHUNK):
                for shape in distances(digits[start : start + CHUNK]):
                    name = f"{len(table):06d}.png"
                    colour, pen = dice.choice(list(COLOURS)), dice.choice(list(PENS))
                    brightness = dice.uniform(0.8, 1.05)
                    picture = draw(shape, colour=np.asarray(COLOURS[colour]) * brightness, pen=PENS[pen], size=size)
                    Image.fromarray(picture).save(beside / "pictures" / name)
                    table.append(f"{name} " + " ".join("1" if column in (colour, pen) else "-1" for column in COLUMNS))
                    partition.append(f"{name} {PARTS.index(part)}")
        write_text(beside / "attributes.txt", "\n".join([str(len(table)), " ".join(COLUMNS), *table, ""]))
        write_text(beside / "partition.txt", "\n".join([*partition, ""]))
        write_text(
            beside / "README.txt",
            f"Derived from MNIST (LeCun et al.; CC BY-SA 3.0) by autogc's scripts/datasets/coloured_digits.py, seed {seed}: synthetic.\n"
            "Shapes are the digits' middle lines, drawn again with a thin or a thick pen in red, green or blue.\n",
        )


def distances(digits: np.ndarray) -> np.ndarray:
    """Return how far each pixel is from its digit's middle line, float (N, H, W) in MNIST's pixels; (H, W) is ``FINER`` times 28."""
    side = SIDE * FINER
    large = [np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)) for digit in digits]
    lines = thinned(np.stack(large) > INK)
    return np.stack([distance_transform_edt(~line) for line in lines]) / FINER


def draw(distance: np.ndarray, *, colour: np.ndarray, pen: float, size: int) -> np.ndarray:
    """Return the picture, uint8 (size, size, 3): a line of half the width ``pen`` on black, with a soft edge of one fine pixel."""
    ink = np.clip((pen - distance) * FINER + 0.5, 0, 1)
    fine = (ink[..., None] * np.clip(colour, 0, 255)).round().astype(np.uint8)
    return np.asarray(Image.fromarray(fine).resize((size, size), Image.Resampling.BOX))


def thinned(shapes: np.ndarray) -> np.ndarray:
    """Return the middle lines of shapes, bool (N, H, W), one pixel wide and connected as they were (Zhang and Suen, CACM 1984)."""
    shapes = np.pad(shapes, ((0, 0), (1, 1), (1, 1)))
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            inner = shapes[:, 1:-1, 1:-1]
            # The eight neighbours, clockwise from above.
            steps = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
            height, width = inner.shape[1:]
            ring = [shapes[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width] for down, right in steps]
            count = np.sum(ring, axis=0, dtype=np.uint8)
            rises = np.sum([~ring[place] & ring[(place + 1) % 8] for place in range(8)], axis=0, dtype=np.uint8)
            north, east, south, west = ring[0], ring[2], ring[4], ring[6]
            # First the rims below and to the right and the corners above left, then the others.
            pair, others = (east & south, north | west) if first else (north & west, east | south)
            peeled = inner & (count >= 2) & (count <= 6) & (rises == 1) & ~(pair & others)
            shapes[:, 1:-1, 1:-1] = inner & ~peeled
            changed |= bool(peeled.any())
    return shapes[:, 1:-1, 1:-1]


def _chosen(mnist: Path, counts: dict[str, int], dice: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the digits of each part; no digit is in two."""
    found = {}
    for name, parts in (("train", PARTS[:2]), ("test", PARTS[2:])):
        path = next((path for path in (mnist / FILES[name], mnist / f"{FILES[name]}.gz") if path.is_file()), mnist / FILES[name])
        digits = read_digits(path)
        wanted = sum(counts[part] for part in parts)
        if min(counts[part] for part in parts) < 1 or wanted > len(digits):
            raise ConfigError(f"{' and '.join(parts)} take {wanted} digits, at least 1 each, of the {len(digits)} in {path}")
        order = dice.permutation(len(digits))[:wanted]
        ends = np.cumsum([counts[part] for part in parts])[:-1]
        found |= {part: digits[places] for part, places in zip(parts, np.split(order, ends), strict=True)}
    return found


if __name__ == "__main__":
    main()
