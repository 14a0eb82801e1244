"""Training: the teacher, the supernet, a subnet further; under DeepSpeed, in one process or on several launched by Ray."""

from autogc.training.baseline import distil_alone, train_from_scratch
from autogc.training.checkpoint import newest_step
from autogc.training.finetune import finetune
from autogc.training.supernet import build_supernet, load_adapters, load_supernet, train_supernet
from autogc.training.teacher import load_discriminator, load_teacher, train_teacher

__all__ = [
    "build_supernet",
    "distil_alone",
    "finetune",
    "load_adapters",
    "load_discriminator",
    "load_supernet",
    "load_teacher",
    "newest_step",
    "train_from_scratch",
    "train_supernet",
    "train_teacher",
]
