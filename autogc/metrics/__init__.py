"""Scores: the Fréchet distance and mIoU, the networks they are taken with, and the judge that gives them."""

from autogc.metrics import dataset_segmenter, espnet, lenet
from autogc.metrics.fid import Reference, frechet_distance, frechet_distance_from_samples, mean_and_covariance
from autogc.metrics.judge import Judge
from autogc.metrics.miou import class_iou, confusion_matrix, mean_iou
from autogc.metrics.networks import problems_of
from autogc.metrics.registry import FEATURE_NETWORKS, SEGMENTERS, JudgeNetwork

__all__ = [
    "FEATURE_NETWORKS",
    "SEGMENTERS",
    "Judge",
    "JudgeNetwork",
    "Reference",
    "class_iou",
    "confusion_matrix",
    "dataset_segmenter",
    "espnet",
    "frechet_distance",
    "frechet_distance_from_samples",
    "mean_and_covariance",
    "mean_iou",
    "problems_of",
]
