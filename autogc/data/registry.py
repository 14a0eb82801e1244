"""The registry of datasets."""

from __future__ import annotations

from autogc.data.paired import PairedData
from autogc.registry import Registry

# A builder takes the file's ``args`` and, from the caller, ``seed``; it returns quickly and decodes nothing.
DATASETS: Registry[PairedData] = Registry("dataset")
