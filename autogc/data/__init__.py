"""Datasets: what a generator is given, the real pictures, and the labels that mIoU needs."""

from autogc.data import (
    attributes,
    cityscapes,
    domain_folders,
    folders,
    inputs_alone,
    mnist,
    noise_alone,
    packed,
    pictures,
    side_by_side,
    streets,
    super_resolution,
    unpaired,
)
from autogc.data.batch import Batch
from autogc.data.dataset import Dataset, Split
from autogc.data.opened import open_data
from autogc.data.order import training_batches
from autogc.data.registry import DATASETS
from autogc.data.samples import IGNORE_INDEX, Samples

__all__ = [
    "DATASETS",
    "IGNORE_INDEX",
    "Batch",
    "Dataset",
    "Samples",
    "Split",
    "attributes",
    "cityscapes",
    "domain_folders",
    "folders",
    "inputs_alone",
    "mnist",
    "noise_alone",
    "open_data",
    "packed",
    "pictures",
    "side_by_side",
    "streets",
    "super_resolution",
    "training_batches",
    "unpaired",
]
