"""The networks that judge pictures, one file each: imported here, so that an experiment file can name them."""

from autogc.metrics.judge_networks import (
    dataset_classifier,
    dataset_rotations,
    dataset_segmenter,
    drn,
    efficientnet_lite0,
    espnet,
    from_file,
    inception,
    lenet,
    lpips,
    segmenter_file,
    teacher_discriminator,
)

__all__ = [
    "dataset_classifier",
    "dataset_rotations",
    "dataset_segmenter",
    "drn",
    "efficientnet_lite0",
    "espnet",
    "from_file",
    "inception",
    "lenet",
    "lpips",
    "segmenter_file",
    "teacher_discriminator",
]
