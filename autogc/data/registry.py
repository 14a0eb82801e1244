"""The registry of datasets."""

from __future__ import annotations

from autogc.data.dataset import Dataset
from autogc.registry import Registry

# A builder takes the file's ``args`` and, from the caller, ``seed``; it returns quickly and decodes nothing.
DATASETS: Registry[Dataset] = Registry("dataset")
