"""What generators and discriminators are trained on: GAN Compression's terms (equations 1 to 4), and those of each family's own paper."""

from autogc.losses.adversarial import ADVERSARIAL, AdversarialLoss, over_scales
from autogc.losses.classification import domain_classification
from autogc.losses.distillation import feature_distillation
from autogc.losses.efficientnet_lite_distance import EfficientNetLiteDistance
from autogc.losses.feature_matching import feature_matching
from autogc.losses.gradient_penalty import gradient_penalty
from autogc.losses.perceptual import PERCEPTUAL
from autogc.losses.reconstruction import reconstruction, reconstruction_l1, reconstruction_mse

__all__ = [
    "ADVERSARIAL",
    "PERCEPTUAL",
    "AdversarialLoss",
    "EfficientNetLiteDistance",
    "domain_classification",
    "feature_distillation",
    "feature_matching",
    "gradient_penalty",
    "over_scales",
    "reconstruction",
    "reconstruction_l1",
    "reconstruction_mse",
]
