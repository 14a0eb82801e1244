"""Reference statistics in a file: the mean and covariance of real pictures' features, to be shared and used again.

Two formats: pytorch-fid's ``.npz`` (``mu``, ``sigma``), which records nothing of how it was made, and autogc's ``.safetensors``, which says
which network saw which pictures. Statistics are used with the very network and preprocessing that they were taken with, or refused.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from autogc.config.experiment import ScoresConfig
from autogc.data import Dataset, Split
from autogc.device_lock import working
from autogc.errors import ConfigError, MetricError
from autogc.files import replacing, sha256_file
from autogc.inference import full_float32
from autogc.metrics.frechet import Reference
from autogc.metrics.networks import Networks
from autogc.metrics.pixels import coloured
from autogc.metrics.registry import JudgeNetwork, Trainable
from autogc.progress import Progress

FORMAT = "autogc statistics 1"
KEY = "scores.reference"
BATCH = 32


@dataclass(frozen=True)
class Statistics:
    """Mean (D,) and unbiased covariance (D, D) of features, float64, and where they come from.

    ``made`` holds ``weights`` (hash), ``network`` (label), ``preprocessing``, ``images``, ``data``, ``split``; it is empty for an ``.npz``.
    """

    mean: Tensor
    covariance: Tensor
    made: dict[str, Any]
    name: str = ""
    sha256: str = ""

    @cached_property
    def reference(self) -> Reference:
        """What generated pictures are compared with."""
        return Reference.of_moments(self.mean, self.covariance)

    @property
    def images(self) -> int | None:
        """Of how many real pictures they are, if that is known."""
        return self.made.get("images")

    @property
    def described(self) -> str:
        if not self.made:
            return f"the statistics {self.name}, which do not record their network, resizing or pictures"
        made = self.made
        return f"the statistics {self.name} of {made['images']} real pictures ({made['data']}; {made['split']} split)"

    def problem(self, network: JudgeNetwork, data: Dataset) -> str | None:
        """Return why features of ``data``'s pictures by ``network`` cannot be compared with these, or None."""
        if not self.made:
            if not network.pytorch_fid:
                return (
                    f"{self.name} is pytorch-fid's format, which does not say by which network it was made; it stands for inception_fid "
                    f"with the published weights and resizing: pytorch_fid, and this feature network is {network.label}"
                )
        elif self.made["weights"] != network.weights_hash:
            return f"{self.name} was made by another feature network: {self.made['network']}; here it is {network.label}"
        elif self.made["preprocessing"] != network.preprocessing:
            return f"{self.name} was made with the resizing {self.made['preprocessing']!r}, here it is {network.preprocessing!r}"
        return self._other_size(_features_of(network, data))

    def problem_beforehand(self, network: JudgeNetwork) -> str | None:
        """Return the same of a network that is not trained or not here yet, as far as it can be known, or None."""
        if isinstance(network, Trainable):
            return (
                f"{self.name} can't be of this feature network, which is trained anew for each run: {network.label}; "
                "set scores.feature_network.name=inception_fid, say"
            )
        if self.made and self.made["preprocessing"] != network.preprocessing:
            return f"{self.name} was made with the resizing {self.made['preprocessing']!r}, here it is {network.preprocessing!r}"
        if not self.made and network.preprocessing != "pytorch_fid":
            return f"{self.name} is pytorch-fid's format, and stands for resizing: pytorch_fid; here it is {network.preprocessing!r}"
        return None if network.channels is None else self._other_size(network.channels)

    def _other_size(self, features: int) -> str | None:
        if len(self.mean) == features:
            return None
        return f"{self.name} has {len(self.mean)} features, and the feature network gives {features}"


def load(path: str | Path) -> Statistics:
    """Read statistics; nothing is unpickled. Raises ``ConfigError`` for a file that is missing, damaged, or holds no such thing."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise ConfigError(f"{KEY}: {path} does not exist; autogc data statistics writes such a file, or leave it out")
    try:
        mean, covariance, made = _read_npz(path) if path.suffix == ".npz" else _read_own(path)
    except (SafetensorError, zipfile.BadZipFile, OSError, ValueError, KeyError, TypeError, EOFError) as error:
        expected = "mu and sigma" if path.suffix == ".npz" else f"mean, covariance and how they were made ({FORMAT})"
        raise ConfigError(f"{KEY}: {path} does not hold {expected} ({type(error).__name__}: {error})") from error
    _check(mean, covariance, path)
    found = Statistics(mean, covariance, made, name=path.name, sha256=sha256_file(path))
    try:
        _ = found.reference
    except MetricError as error:
        raise ConfigError(f"{KEY}: {path} cannot be compared with: {error}") from error
    return found


def given(scores: ScoresConfig, networks: Networks, data: Dataset, *, trained: bool) -> dict[str, Statistics]:
    """Return the statistics that stand for a split's real pictures, by the split's name.

    What can't be known of a network before it is trained or fetched is not compared yet where it is not ``trained``. Raises
    ``ConfigError`` with every problem.
    """
    if not scores.reference:
        return {}
    network, problems = networks.features, []
    if network is None:
        raise ConfigError(f"{KEY} has no effect without a feature network: leave it out")
    known = trained or not (networks.downloads or isinstance(network, Trainable))
    loaded: dict[str, Statistics] = {}
    for path in dict.fromkeys(scores.reference.values()):
        try:
            loaded[path] = load(path)
        except ConfigError as error:
            problems += error.problems
            continue
        problem = loaded[path].problem(network, data) if known else loaded[path].problem_beforehand(network)
        problems += [] if problem is None else [f"{KEY}: {problem}"]
    for split, path in scores.reference.items():
        made = loaded[path].made if path in loaded else {}
        if made and made.get("dataset_fingerprint") == data.fingerprint and made["split"] != split:
            problems.append(
                f"{KEY}: {path} is of this dataset's {made['split']} split, and it was given to the {split} split: "
                f"write reference: {{{made['split']}: {path}}}"
            )
    if problems:
        raise ConfigError(problems)
    return {split: loaded[path] for split, path in scores.reference.items()}


def gather(network: JudgeNetwork, split: Split, *, data: str, device: torch.device, progress: Progress) -> Statistics:
    """Return the statistics of all real pictures that a split's generated ones are compared with; sums are float64.

    Raises ``MetricError`` where there are fewer than two.
    """
    total = outer = shift = None
    count = 0
    network.to(device).eval()
    progress.start(f"statistics of the {split.name} split", total=_count(split))
    with full_float32(), torch.inference_mode():
        for pictures in split.real_batches(BATCH):
            with working(str(device)):
                features = network.features(coloured(pictures.to(device))).double().cpu()
            # Sums of squares lose least about a point that is near the mean.
            shift = features.mean(0) if shift is None else shift
            away = features - shift
            total = away.sum(0) if total is None else total + away.sum(0)
            outer = away.T @ away if outer is None else outer.add_(away.T @ away)
            count += len(features)
            progress.update(count)
    if count < 2 or total is None or outer is None or shift is None:
        raise MetricError(f"statistics need at least two real pictures, and the {split.name} split has {count}")
    covariance = (outer - total[:, None] * total / count) / (count - 1)
    made = {"weights": network.weights_hash, "network": network.label, "preprocessing": network.preprocessing}
    seen = {"images": count, "data": data, "dataset_fingerprint": split.dataset, "split": split.name}
    # Out of inference mode, so that they can be pickled.
    return Statistics((shift + total / count).clone(), ((covariance + covariance.T) / 2).clone(), {**made, **seen})


def check_writable(path: Path, network: JudgeNetwork) -> None:
    """Raise ``ConfigError`` for an unknown ending, and for an ``.npz`` of another network than pytorch-fid's, which it would pass for."""
    if path.suffix not in (".npz", ".safetensors"):
        raise ConfigError(f"statistics are written as .safetensors, or as .npz for pytorch-fid, not as {path.name}")
    if path.suffix == ".npz" and not network.pytorch_fid:
        raise ConfigError(f"an .npz stands for pytorch-fid's network and resizing, and this is {network.label}: write a .safetensors")


def write(statistics: Statistics, path: Path, *, network: JudgeNetwork) -> None:
    """Write statistics in the format of ``path``'s ending, whole or not at all. Raises what ``check_writable`` does."""
    check_writable(path, network)
    with replacing(path) as beside:
        if path.suffix == ".npz":
            with beside.open("wb") as stream:
                np.savez(stream, mu=statistics.mean.numpy(), sigma=statistics.covariance.numpy())
        else:
            tensors = {"mean": statistics.mean.contiguous(), "covariance": statistics.covariance.contiguous()}
            save_file(tensors, beside, metadata={"format": FORMAT, "made": json.dumps(statistics.made, sort_keys=True)})


def _features_of(network: JudgeNetwork, data: Dataset) -> int:
    """Return how many features a network gives, by asking it for those of one picture."""
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        return network.features(torch.zeros(1, 3, data.height, data.width, device=device)).shape[1]


def _read_npz(path: Path) -> tuple[Tensor, Tensor, dict[str, Any]]:
    with np.load(path, allow_pickle=False) as archive:
        mean, covariance = (torch.from_numpy(np.asarray(archive[name], dtype=np.float64)) for name in ("mu", "sigma"))
    return mean, covariance, {}


def _read_own(path: Path) -> tuple[Tensor, Tensor, dict[str, Any]]:
    with safe_open(path, framework="pt") as stored:
        metadata = stored.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError(f"its format is {metadata.get('format')!r}")
        made = json.loads(metadata["made"])
        missing = {"weights", "network", "preprocessing", "images", "data", "split"} - set(made)
        if missing:
            raise ValueError(f"it does not say {', '.join(sorted(missing))}")
        return stored.get_tensor("mean").double(), stored.get_tensor("covariance").double(), made


def _check(mean: Tensor, covariance: Tensor, path: Path) -> None:
    shapes = f"the mean {tuple(mean.shape)} and the covariance {tuple(covariance.shape)}"
    if mean.ndim != 1 or not len(mean) or tuple(covariance.shape) != (len(mean), len(mean)):
        raise ConfigError(f"{KEY}: {path} has {shapes}; (D,) and (D, D) are expected")
    problem = None
    if not all(bool(torch.isfinite(one).all()) for one in (mean, covariance)):
        problem = "holds NaN or infinity"
    elif float((covariance - covariance.T).abs().max()) > 1e-6 * float(covariance.abs().max()):
        problem = "has a covariance that is not symmetric"
    elif bool((covariance.diagonal() < 0).any()):
        problem = "has negative variances"
    if problem is not None:
        raise ConfigError(f"{KEY}: {path} {problem}, so it is no statistics of features")


def _count(split: Split) -> int:
    parts: Iterable[Split] = (split,) if split.paired else split.references or (split,)
    return sum(len(part.load().targets) if not part.paired else len(part) for part in parts)
