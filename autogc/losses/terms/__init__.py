"""Distillation terms that have been published, one file each: what a student can be asked for beside GAN Compression's equations."""

from autogc.losses.terms.channel_distillation import ChannelDistillation
from autogc.losses.terms.class_agreement import ClassAgreement, class_divergence
from autogc.losses.terms.cycle import Cycle
from autogc.losses.terms.discriminator_consistency import DiscriminatorConsistency
from autogc.losses.terms.discriminator_cooperated import DiscriminatorCooperated
from autogc.losses.terms.discriminator_features import DiscriminatorFeatures
from autogc.losses.terms.generator_consistency import GeneratorConsistency
from autogc.losses.terms.gram_style import GramStyle, gram, gram_distance
from autogc.losses.terms.kernel_alignment import KernelAlignment, kernel_alignment
from autogc.losses.terms.perceptual import Perceptual
from autogc.losses.terms.ssim import Ssim, structural_similarity
from autogc.losses.terms.term import (
    BACK,
    CURRENT,
    DISCRIMINATOR,
    DOMAINS,
    FEATURES,
    PERCEPTUAL_NETWORK,
    TEACHER,
    TERMS,
    Discriminator,
    Seen,
    Term,
)
from autogc.losses.terms.total_variation import TotalVariation, total_variation
from autogc.losses.terms.wavelet import Wavelet, haar, high_bands

__all__ = [
    "BACK",
    "CURRENT",
    "DISCRIMINATOR",
    "DOMAINS",
    "FEATURES",
    "PERCEPTUAL_NETWORK",
    "TEACHER",
    "TERMS",
    "ChannelDistillation",
    "ClassAgreement",
    "Cycle",
    "Discriminator",
    "DiscriminatorConsistency",
    "DiscriminatorCooperated",
    "DiscriminatorFeatures",
    "GeneratorConsistency",
    "GramStyle",
    "KernelAlignment",
    "Perceptual",
    "Seen",
    "Ssim",
    "Term",
    "TotalVariation",
    "Wavelet",
    "class_divergence",
    "gram",
    "gram_distance",
    "haar",
    "high_bands",
    "kernel_alignment",
    "structural_similarity",
    "total_variation",
]
