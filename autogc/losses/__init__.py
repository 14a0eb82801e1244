"""What generators and discriminators are trained on: the terms of GAN Compression's objective (equations 1 to 4)."""

from autogc.losses.adversarial import ADVERSARIAL, AdversarialLoss
from autogc.losses.distillation import feature_distillation
from autogc.losses.reconstruction import reconstruction_l1

__all__ = ["ADVERSARIAL", "AdversarialLoss", "feature_distillation", "reconstruction_l1"]
