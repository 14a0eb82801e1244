"""The Fréchet distance between two sets of features (Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017).

With means ``m1``, ``m2`` and covariances ``S1``, ``S2``: ``|m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))``. Lower is better.
Everything is float64. No complex numbers appear: the eigenvalues of ``S1 S2`` are those of the symmetric ``S1^(1/2) S2 S1^(1/2)``, and the
roots of those are the singular values of ``A B^T / sqrt((n - 1)(m - 1))`` for centred samples ``A`` (n, D), ``B`` (m, D), which is smaller
than (D, D) where there are fewer samples than features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from autogc.errors import MetricError
from autogc.metrics.metric import Metric, Observation


def frechet_distance(mu1: Tensor, sigma1: Tensor, mu2: Tensor, sigma2: Tensor, *, root1: Tensor | None = None) -> float:
    """Return the Fréchet distance of two Gaussians: means (D,), covariances (D, D), of any rank.

    ``root1`` is ``symmetric_root(sigma1)``, for a caller that compares many with one. Raises ``MetricError`` for values that are not finite
    and for shapes that differ.
    """
    mu1, sigma1, mu2, sigma2 = (torch.as_tensor(value).detach().to("cpu", torch.float64) for value in (mu1, sigma1, mu2, sigma2))
    size = mu1.numel()
    expected = {"mu1": (mu1, (size,)), "mu2": (mu2, (size,)), "sigma1": (sigma1, (size, size)), "sigma2": (sigma2, (size, size))}
    for name, (value, shape) in expected.items():
        if tuple(value.shape) != shape:
            raise MetricError(f"Fréchet distance: {name} has the shape {tuple(value.shape)}, expected {shape}")
        if not torch.isfinite(value).all():
            raise MetricError(f"Fréchet distance: {name} holds NaN or infinity")
    root = symmetric_root(sigma1) if root1 is None else root1
    eigenvalues = _without_rounding(torch.linalg.eigvalsh(root @ sigma2 @ root))
    return _distance(mu1, mu2, torch.trace(sigma1) + torch.trace(sigma2), eigenvalues.sqrt().sum())


def frechet_distance_from_samples(features: Tensor, reference: Tensor) -> float:
    """Return the Fréchet distance of samples (n, D) and (m, D), through the singular values of an (n, m) matrix.

    Raises ``MetricError`` for fewer than two samples and for values that are not finite.
    """
    features, reference = _samples(features, "features"), _samples(reference, "reference")
    if features.shape[1] != reference.shape[1]:
        raise MetricError(f"Fréchet distance: {features.shape[1]} features against {reference.shape[1]} in the reference")
    mu1, mu2 = features.mean(0), reference.mean(0)
    a = (features - mu1) / (len(features) - 1) ** 0.5
    b = (reference - mu2) / (len(reference) - 1) ** 0.5
    return _distance(mu1, mu2, a.square().sum() + b.square().sum(), torch.linalg.svdvals(a @ b.T).sum())


def mean_and_covariance(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean (D,) and unbiased covariance (D, D) of samples (n, D), float64."""
    features = _samples(features, "features")
    mean = features.mean(0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def symmetric_root(matrix: Tensor) -> Tensor:
    """Return the positive square root of a symmetric positive semidefinite matrix (D, D), whatever its rank."""
    values, vectors = torch.linalg.eigh(torch.as_tensor(matrix).detach().to("cpu", torch.float64))
    return (vectors * _without_rounding(values).sqrt()) @ vectors.T


@dataclass(frozen=True)
class Reference:
    """The features (m, D) of the real images, prepared for many comparisons."""

    features: Tensor

    @cached_property
    def gaussian(self) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, covariance and the covariance's root."""
        mean, covariance = mean_and_covariance(self.features)
        return mean, covariance, symmetric_root(covariance)

    def distance(self, features: Tensor) -> float:
        """Return the Fréchet distance of ``features`` (n, D) to the reference, in the cheaper of the two equal forms."""
        _samples(features, "features")
        if min(len(features), len(self.features)) < self.features.shape[1]:
            return frechet_distance_from_samples(features, self.features)
        mean, covariance, root = self.gaussian
        return frechet_distance(mean, covariance, *mean_and_covariance(features), root1=root)


class Fid(Metric):
    """The distance of all generated pictures' features to the real ones'."""

    name = "fid"
    title = "FID"
    meaning = "Fréchet distance between generated and real images, lower is better; only comparable with scores of the same feature network"
    higher_is_better = False
    needs = frozenset({"features"})
    least = 2

    def observe(self, seen: Observation) -> Tensor:
        assert seen.features is not None
        return seen.features

    def score(self, kept: Tensor) -> float:
        assert self.setting.reference is not None
        return self.setting.reference.distance(kept)


def _distance(mu1: Tensor, mu2: Tensor, traces: Tensor, root_trace: Tensor) -> float:
    # Equal inputs come out some 1e-15 of the traces below or above zero.
    return max(0.0, float((mu1 - mu2).square().sum() + traces - 2 * root_trace))


def _without_rounding(eigenvalues: Tensor) -> Tensor:
    """Return eigenvalues (D,), which cannot be negative, with those that are only rounding set to zero: their roots would not be small."""
    largest = eigenvalues.abs().max() if eigenvalues.numel() else eigenvalues.new_zeros(())
    rounding = largest * len(eigenvalues) * torch.finfo(torch.float64).eps
    return torch.where(eigenvalues > rounding, eigenvalues, 0.0)


def _samples(features: Tensor, name: str) -> Tensor:
    features = torch.as_tensor(features).detach().to("cpu", torch.float64)
    if features.ndim != 2:
        raise MetricError(f"Fréchet distance: {name} must be (samples, features), got the shape {tuple(features.shape)}")
    if len(features) < 2:
        raise MetricError(f"Fréchet distance: {name} has {len(features)} samples; a covariance needs at least 2")
    if not torch.isfinite(features).all():
        raise MetricError(f"Fréchet distance: {name} holds NaN or infinity")
    return features
