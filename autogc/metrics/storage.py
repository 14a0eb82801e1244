"""A judge on disk: ``judge.json``, the trained networks beside it, and the statistics of real images under ``references/``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from autogc.config.experiment import ScoresConfig
from autogc.data import Dataset
from autogc.errors import CheckpointError, RunDirectoryError
from autogc.files import read_json, replacing, replacing_directory, sha256_file, sha256_json, write_json
from autogc.metrics.frechet import Reference
from autogc.metrics.networks import Networks, resolved
from autogc.metrics.registry import JudgeNetwork, Trainable, hash_tensors

FORMAT = 1
RECORD = "judge.json"


def settings_of(scores: ScoresConfig, data: Dataset, *, seed: int) -> dict[str, Any]:
    """Return everything that a judge is a function of."""
    scores = resolved(scores, data)
    return {
        "feature_network": None if scores.feature_network is None else scores.feature_network.model_dump(mode="json"),
        "segmenter": None if scores.segmenter is None else scores.segmenter.model_dump(mode="json"),
        "similarity": None if scores.similarity is None else scores.similarity.model_dump(mode="json"),
        "dataset": data.fingerprint,
        "seed": seed,
    }


def exists(directory: Path) -> bool:
    return (directory / RECORD).exists()


def _files(networks: Networks) -> dict[str, JudgeNetwork]:
    """Return the file of each network that autogc trained; the weights of the others have a file already."""
    return {f"{role}.safetensors": network for role, network in networks.roles.items() if isinstance(network, Trainable)}


def write(directory: Path, networks: Networks, *, settings: dict[str, Any]) -> None:
    """Write the judge, whole or not at all."""
    with replacing_directory(directory) as beside:
        files = _files(networks)
        for name, network in files.items():
            save_file({key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}, beside / name)
        record = {
            "format": FORMAT,
            "settings": settings,
            "networks": networks.described(),
            "protocols": {role: network.protocol for role, network in networks.roles.items()},
            "files": {name: sha256_file(beside / name) for name in files},
            "torch": torch.__version__,
        }
        write_json(beside / RECORD, record)


def load(directory: Path, networks: Networks, *, settings: dict[str, Any]) -> None:
    """Fill ``networks`` from ``directory``.

    Raises ``RunDirectoryError`` when another judge lives there, or one that judged in another way, ``CheckpointError`` when its files were
    changed.
    """
    record = read_json(directory / RECORD)
    if record.get("format") != FORMAT:
        raise RunDirectoryError(
            f"{directory / RECORD} has the format {record.get('format')!r}, this autogc reads {FORMAT}; use another directory"
        )
    differing = [key for key in settings if record["settings"].get(key) != settings[key]]
    if differing:
        said = "; ".join(f"{key}: {record['settings'].get(key)!r} there, {settings[key]!r} here" for key in differing)
        raise RunDirectoryError(
            f"{directory} holds the judge of other settings ({said}): use another run directory, or remove it to train anew"
        )
    for role, network in networks.roles.items():
        before = record.get("protocols", {}).get(role, 1)
        if before != network.protocol:
            raise RunDirectoryError(
                f"{directory} holds the judge of an earlier autogc, whose {role} ({network.label}) judged in another way "
                f"(protocol {before}, now {network.protocol}): its scores and new ones cannot be compared; use another run directory"
            )
    for name, network in _files(networks).items():
        path = directory / name
        if not path.exists():
            raise CheckpointError(f"{path} is missing: remove {directory} to train the judge again")
        if sha256_file(path) != record["files"].get(name):
            raise CheckpointError(f"{path} was changed after it was written: remove {directory} to train the judge again")
        network.load_state_dict(load_file(path))
    for role, expected in networks.hashes().items():
        if record["networks"].get(f"{role}_hash") != expected:
            raise CheckpointError(
                f"the weights of the {role} are not those that {directory} was made with: "
                f"give the old ones back, or remove {directory} and score anew"
            )


def _reference_path(directory: Path, key: str) -> Path:
    return directory / "references" / f"{key}.safetensors"


def load_real(directory: Path | None, key: str) -> tuple[Reference | None, int, dict[str, float]] | None:
    """Return what is kept of the real images under ``key``: their reference (None where no network gives features), how many they are,
    and their own scores. None when there is nothing, or the file is damaged."""
    if directory is None or not _reference_path(directory, key).exists():
        return None
    try:
        with safe_open(_reference_path(directory, key), framework="pt") as stored:
            tensors, metadata = {name: stored.get_tensor(name) for name in stored.keys()}, stored.metadata() or {}  # noqa: SIM118
    except SafetensorError:
        return None
    said = metadata.get("said", "")
    if metadata.get("hash") != _hash(tensors, said):
        return None
    facts = json.loads(said)
    reference = Reference(tensors["features"], factor=tensors.get("factor")) if "features" in tensors else None
    return reference, facts["images"], facts["scores"]


def write_real(directory: Path | None, key: str, *, reference: Reference | None, images: int, scores: Mapping[str, float]) -> None:
    """Keep them for the next process; a judge without a directory keeps them in memory alone."""
    if directory is None:
        return
    said = json.dumps({"images": images, "scores": dict(scores)}, sort_keys=True)
    tensors = {}
    if reference is not None:
        assert reference.features is not None
        # float32, as networks give them; where samples are many, what took time is kept with them.
        tensors["features"] = reference.features
        if len(reference.features) > reference.features.shape[1]:
            tensors["factor"] = reference.factor.contiguous()
    with replacing(_reference_path(directory, key)) as beside:
        save_file(tensors, beside, metadata={"said": said, "hash": _hash(tensors, said)})


def _hash(tensors: Mapping[str, Tensor], said: str) -> str:
    return sha256_json([hash_tensors(tensors), said])
