"""Paired datasets: what a generator is given, what it should make of it, and the labels that mIoU needs."""

from autogc.data import folders, streets
from autogc.data.opened import open_data
from autogc.data.order import training_batches
from autogc.data.paired import IGNORE_INDEX, Batch, PairedData, Samples, Split
from autogc.data.registry import DATASETS

__all__ = ["DATASETS", "IGNORE_INDEX", "Batch", "PairedData", "Samples", "Split", "folders", "open_data", "streets", "training_batches"]
