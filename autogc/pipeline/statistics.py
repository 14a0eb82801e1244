"""Reference statistics of an experiment's real pictures, for others to compare with."""

from __future__ import annotations

from pathlib import Path

import torch

from autogc.config.experiment import Experiment
from autogc.errors import ConfigError
from autogc.metrics import statistics
from autogc.metrics.networks import Networks
from autogc.metrics.registry import Trainable
from autogc.metrics.statistics import Statistics
from autogc.progress import Progress, Silent
from autogc.training.stage import build_data


def write_statistics(experiment: Experiment, path: str | Path, *, split: str = "test", progress: Progress | None = None) -> Statistics:
    """Take the statistics of the real pictures that generated ones of ``split`` are compared with, and write them to ``path``.

    Raises ConfigError where the experiment's feature network is none that others have too, and for another ending than .safetensors
    and .npz; CheckpointError where the network's weights cannot be had.
    """
    path, progress = Path(path), progress or Silent()
    data = build_data(experiment)
    scores = experiment.scores.model_copy(update={"segmenter": None, "reference": {}})
    networks = Networks.build(scores, data, seed=experiment.seed)
    network = networks.features
    if network is None or isinstance(network, Trainable):
        named = "null" if network is None else f"trained anew for each run ({network.label})"
        raise ConfigError(f"scores.feature_network is {named}, so nobody else could use its statistics; name inception_fid, say")
    networks.fetch(progress)
    statistics.check_writable(path, network)
    device = experiment.device if experiment.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    found = statistics.gather(network, getattr(data, split), data=data.description, device=torch.device(device), progress=progress)
    statistics.write(found, path, network=network)
    return found
