"""Datasets packed as Parquet shards: what ``autogc data pack`` writes, and the dataset ``parquet`` that trains from it.

A packed set is a directory, here or in a bucket: ``manifest.json``, and a folder of shards for each table. A row of a split's table
``samples`` is what one input is made of (with its target, where they are paired); real pictures that are not paired have a table of
their own, ``pictures``. Pixels are stored as they are, raw bytes compressed by zstd, so that training from the shards is bit for bit
training from the original. Nothing in it is pickled.
"""

from autogc.data.packed.dataset import parquet
from autogc.data.packed.manifest import MANIFEST, Manifest

__all__ = ["MANIFEST", "Manifest", "parquet"]
