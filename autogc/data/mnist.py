"""MNIST's own files (LeCun et al., 1998), for a generator that makes digits of noise."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from autogc.data.arguments import Problems
from autogc.data.dataset import Dataset, Split
from autogc.data.inputs import NoiseInput
from autogc.data.listing import hold_out
from autogc.data.registry import DATASETS
from autogc.data.samples import Samples
from autogc.errors import DataError
from autogc.files import sha256_file, sha256_json
from autogc.progress import Progress

FILES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
SIDE = 28
# An idx file of unsigned bytes (8) in three dimensions (3) begins with this number.
MAGIC = 0x0803
RESIZES = ("pad", "bilinear")


@DATASETS.register("mnist")
def mnist(
    *,
    root: str,
    noise: int = 100,
    size: int = SIDE,
    resize: str = "pad",
    validation_count: int = 5000,
    train_count: int | None = None,
    test_count: int | None = None,
    generate: int | None = None,
    seed: int,
) -> Dataset:
    """Return MNIST's digits, one grey channel, and noise of ``noise`` channels to make them of. They are never mirrored.

    ``root`` has ``train-images-idx3-ubyte`` and ``t10k-images-idx3-ubyte``, as they are or gzipped. With a ``size`` other than 28 the
    digits get a black border (``resize: pad``), or are resized (``resize: bilinear``). ``validation_count`` are held out of the official
    training digits; ``train_count`` and ``test_count`` take the first so many of what there is. Of validation and test so many noises are
    drawn as there are digits, or ``generate``.

    Raises ``ConfigError`` for arguments, ``DataError`` for files that are missing or are not MNIST's.
    """
    problems = Problems("mnist")
    problems.at_least(1, noise=noise, validation_count=validation_count, train_count=train_count, test_count=test_count, generate=generate)
    problems.at_least(SIDE if resize == "pad" else 8, size=size)
    problems.expect(resize in RESIZES, f"resize must be pad or bilinear, got {resize!r}")
    base = problems.root(root)
    files = {}
    for name, file in FILES.items():
        found = [path for path in (base / file, base / f"{file}.gz") if path.is_file()]
        if found:
            files[name] = found[0]
        elif base.is_dir():
            problems.missing(f"{base} has neither {file} nor {file}.gz")
    problems.stop()
    counts = {name: count_of(path) for name, path in files.items()}
    problems.expect(validation_count < counts["train"], f"validation_count {validation_count} leaves nothing of {counts['train']} digits")
    problems.stop()
    rest, held = hold_out(range(counts["train"]), validation_count, seed=seed, key=str)
    places = {"train": rest[:train_count], "validation": held, "test": list(range(counts["test"]))[:test_count]}
    splits = {}
    for name, chosen in places.items():
        wanted = len(chosen) if generate is None or name == "train" else generate
        splits[name] = Split(
            name,
            names=[f"noise-{index:05d}" for index in range(wanted)],
            input=NoiseInput(noise, seed),
            decode=Digits(name, files["test" if name == "test" else "train"], tuple(chosen), size, resize),
            paired=False,
            mirror=False,
        )
    sizes = f"{size}x{size}" + ("" if size == SIDE else ", with a black border" if resize == "pad" else ", resized bilinearly")
    return Dataset(
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        input_shape=(noise, 1, 1),
        target_shape=(1, size, size),
        class_names=(),
        description=f"MNIST {sizes} (all grey), from {noise} channels of noise",
        fingerprint=sha256_json(
            {
                "mnist": {"noise": noise, "size": size, "resize": resize, "seed": seed},
                "counts": {name: [len(split), len(places[name])] for name, split in splits.items()},
                "files": {name: sha256_file(path) for name, path in files.items()},
            }
        ),
        kind="unconditional",
    )


@dataclass(frozen=True)
class Digits:
    """How a split of digits is decoded."""

    split: str
    file: Path
    places: tuple[int, ...]
    size: int
    resize: str

    def __call__(self, progress: Progress) -> Samples:
        digits = read_digits(self.file)[np.asarray(self.places)]
        progress.start(f"reading {self.split} digits", total=len(digits))
        if self.resize == "pad":
            border = (self.size - SIDE) // 2
            after = self.size - SIDE - border
            targets = np.pad(digits, ((0, 0), (border, after), (border, after)))
        else:
            targets = np.stack([np.asarray(Image.fromarray(digit).resize((self.size,) * 2, Image.Resampling.BILINEAR)) for digit in digits])
        progress.update(len(digits))
        return Samples(targets=targets[:, None])


def count_of(path: Path) -> int:
    """Return how many digits an idx file says that it holds; raises ``DataError`` where it is no such file."""
    header = np.frombuffer(_content(path, 16), ">i4")
    if len(header) != 4 or header[0] != MAGIC or (header[2:] != SIDE).any():
        raise DataError(f"{path} is not an idx file of {SIDE}x{SIDE} grey images")
    return int(header[1])


# Train and validation are of one file.
@lru_cache(maxsize=1)
def read_digits(path: Path) -> np.ndarray:
    """Return the digits of an idx file, uint8 (N, 28, 28), 0 is black; raises ``DataError`` where it is damaged."""
    count = count_of(path)
    content = _content(path, None)[16:]
    if len(content) != count * SIDE * SIDE:
        raise DataError(f"{path} is damaged: it should hold {count} digits and has {len(content)} bytes of them; download it again")
    return np.frombuffer(content, np.uint8).reshape(count, SIDE, SIDE)


def _content(path: Path, count: int | None) -> bytes:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return stream.read(-1 if count is None else count)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}): download it again") from error
