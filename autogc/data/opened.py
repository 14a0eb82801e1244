"""Datasets as an experiment names them, decoded once in a process whoever asks for them."""

from __future__ import annotations

import json
from functools import lru_cache

from autogc.config.experiment import Component
from autogc.data.dataset import Dataset
from autogc.data.registry import DATASETS


def open_data(component: Component, *, seed: int) -> Dataset:
    """Return the dataset that ``component`` names. Asked again for the same, it returns the same object, with what is decoded already.

    Raises ConfigError, or DataError for files that are not there.
    """
    return _open(component.name, json.dumps(component.args, sort_keys=True), seed)


# The stages of a run build their data one after the other; they all use one dataset.
@lru_cache(maxsize=1)
def _open(name: str, args: str, seed: int) -> Dataset:
    return DATASETS.build(name, json.loads(args), seed=seed)
