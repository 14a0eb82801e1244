"""Scores: the metrics, the networks that they are taken with, and the judge that gives them."""

from autogc.metrics import judge_networks
from autogc.metrics.assessment import Assessment
from autogc.metrics.catalogue import METRICS, lacking
from autogc.metrics.confusion import class_accuracy, class_iou, confusion_matrix
from autogc.metrics.frechet import Reference, frechet_distance, frechet_distance_from_samples, mean_and_covariance
from autogc.metrics.inception_score import inception_score
from autogc.metrics.judge import Judge
from autogc.metrics.miou import mean_iou
from autogc.metrics.networks import problems_of
from autogc.metrics.pixel_accuracy import pixel_accuracy
from autogc.metrics.psnr import psnr
from autogc.metrics.registry import FEATURE_NETWORKS, SEGMENTERS, SIMILARITIES, JudgeNetwork
from autogc.metrics.ssim import ssim

__all__ = [
    "FEATURE_NETWORKS",
    "METRICS",
    "SEGMENTERS",
    "SIMILARITIES",
    "Assessment",
    "Judge",
    "JudgeNetwork",
    "Reference",
    "class_accuracy",
    "class_iou",
    "confusion_matrix",
    "frechet_distance",
    "frechet_distance_from_samples",
    "inception_score",
    "judge_networks",
    "lacking",
    "mean_and_covariance",
    "mean_iou",
    "pixel_accuracy",
    "problems_of",
    "psnr",
    "ssim",
]
