"""The Fréchet distance between two sets of features (Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017).

With means ``m1``, ``m2`` and covariances ``S1``, ``S2``: ``|m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))``. Lower is better.

Everything is float64, and nothing is complex. With ``S1 = A^T A`` and ``S2 = F^T F``, the trace of the root is the sum of the singular
values of ``A F^T``: of an (n, k) matrix, where there are n pictures and ``F`` has k rows, and never of a product that is not symmetric.
Where pictures are many, those are the roots of the eigenvalues of ``F S1 F^T``; a root loses half of the digits of an eigenvalue that is
nearly zero, so that what may have been lost is bounded, and singular values are taken where it could be seen.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autogc.errors import MetricError
from autogc.inference import keeping_memory

# Up to this many rows, singular values cost next to nothing.
FEW = 512
# Of the distance: how much the quicker form may be off before the other one is taken.
TOLERANCE = 1e-6
# Rounding in each eigenvalue, as a share of the largest. What roots make of it adds up like errors that have nothing to do with each other,
# but for eigenvalues that are zero: roots of what rounding leaves of them are all positive.
ROUNDING = torch.finfo(torch.float64).eps
# A covariance has no negative eigenvalues but for rounding, that of a file in float32 included: as a share of the largest.
NEGATIVE = 1e-4
# Columns multiplied at once where half of the result, or of a factor, is known to be zero or to mirror the other half.
BLOCK = 256


class Reference:
    """What generated pictures are compared with: the mean (D,) of the real ones' features and a factor (k, D) of their covariance.

    ``factor.T @ factor`` is the covariance: the centred features themselves where there are no more than D of them, otherwise D rows.
    ``features`` (m, D) are there where they are known, None where only moments were given.
    """

    def __init__(self, features: Tensor, *, factor: Tensor | None = None) -> None:
        """Prepare samples (m, D); ``factor`` is what such a reference had before, where somebody kept it."""
        centred, mean = _centred(_samples(features, "reference"))
        if factor is None:
            factor = covariance_factor(_symmetric(_gram(centred))) if len(centred) > centred.shape[1] else centred
        self.mean, self.factor = mean, factor
        self.features: Tensor | None = features
        self._made: dict[str, Tensor] = {}

    @classmethod
    def of_moments(cls, mean: Tensor, covariance: Tensor) -> Reference:
        """Return the reference of a mean (D,) and a covariance (D, D). Raises ``MetricError`` for what can't be such."""
        mean, covariance = _moments(mean, covariance, which=2)
        found = cls.__new__(cls)
        found.mean, found.factor, found.features, found._made = mean, covariance_factor(covariance), None, {}
        return found

    def once(self, name: str, make: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ``make(features)``, made at its first call and kept, also for workers: what a metric needs of the real pictures alone."""
        assert self.features is not None
        if name not in self._made:
            self._made[name] = make(self.features)
        return self._made[name]

    def distance(self, features: Tensor) -> float:
        """Return the Fréchet distance of ``features`` (n, D) to the reference.

        Raises ``MetricError`` for fewer than two, for values that are not finite, and for another D.
        """
        with keeping_memory():
            samples = _samples(features, "features")
            if samples.shape[1] != len(self.mean):
                raise MetricError(f"Fréchet distance: {samples.shape[1]} features against {len(self.mean)} in the reference")
            centred, mean = _centred(samples)
            apart = float((mean - self.mean).square().sum())
            return _distance(apart, centred, self.factor)


def frechet_distance(mu1: Tensor, sigma1: Tensor, mu2: Tensor, sigma2: Tensor) -> float:
    """Return the Fréchet distance of two Gaussians: means (D,), covariances (D, D), of any rank.

    Raises ``MetricError`` for values that are not finite, shapes that differ, and covariances that are not symmetric.
    """
    mu1, sigma1 = _moments(mu1, sigma1, which=1)
    mu2, sigma2 = _moments(mu2, sigma2, which=2)
    if len(mu1) != len(mu2):
        raise MetricError(f"Fréchet distance: mu1 has {len(mu1)} features, and sigma2 and mu2 have {len(mu2)}")
    return _distance(float((mu1 - mu2).square().sum()), covariance_factor(sigma1), covariance_factor(sigma2))


def frechet_distance_from_samples(features: Tensor, reference: Tensor) -> float:
    """Return the Fréchet distance of samples (n, D) and (m, D).

    Raises ``MetricError`` for fewer than two, for values that are not finite, and for another D.
    """
    _samples(features, "features")
    return Reference(reference).distance(features)


def mean_and_covariance(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean (D,) and unbiased covariance (D, D) of samples (n, D), float64."""
    centred, mean = _centred(_samples(features, "features"))
    return mean, _symmetric(_gram(centred))


def covariance_factor(covariance: Tensor) -> Tensor:
    """Return F (D, D) with ``F.T @ F`` a symmetric positive semidefinite matrix (D, D) of any rank, float64.

    Raises ``MetricError`` for one that has negative eigenvalues.
    """
    lower, failed = torch.linalg.cholesky_ex(covariance)
    if not failed:
        return lower.T
    values, vectors = torch.linalg.eigh(covariance)
    largest = values.abs().max() if len(values) else values.new_zeros(())
    if bool((values < -NEGATIVE * largest).any()):
        raise MetricError(f"Fréchet distance: a matrix with the eigenvalues {values[0]:.3g} to {values[-1]:.3g} is no covariance")
    # What cannot be negative, and is so small that it may as well be zero, is zero: its root would not be small.
    values = torch.where(values > largest * len(values) * torch.finfo(torch.float64).eps, values, 0.0)
    return (vectors * values.sqrt()).T


def _distance(apart: float, first: Tensor, second: Tensor) -> float:
    """Return the distance of two Gaussians by what separates their means and by a factor (n, D), (k, D) of each covariance."""
    traces = float(first.square().sum() + second.square().sum())
    if len(first) < len(second):
        first, second = second, first
    if len(second) > FEW:
        roots, lost = _roots_of_eigenvalues(first, second)
        # Equal inputs come out some 1e-15 of the traces below or above zero.
        distance = max(0.0, apart + traces - 2 * roots)
        if 2 * lost <= TOLERANCE * distance:
            return distance
    return max(0.0, apart + traces - 2 * float(torch.linalg.svdvals(first @ second.T).sum()))


def _roots_of_eigenvalues(first: Tensor, second: Tensor) -> tuple[float, float]:
    """Return the sum of the singular values of ``first @ second.T`` (n, k), n at least k, and a bound on what rounding did to it."""
    n, k, features = len(first), len(second), first.shape[1]
    if n * k * (2 * features + k) < features * features * (n + 2 * k):
        product = _gram(first @ second.T)
    else:
        product = _gram(second, _symmetric(_gram(first)))
    values = torch.linalg.eigvalsh(product)  # reads the lower half
    rounding = float(values.abs().max()) * ROUNDING
    small = values <= rounding
    lost = float(small.sum()) * (2 * rounding) ** 0.5 + float((rounding / (2 * values[~small].sqrt())).square().sum().sqrt())
    return float(values.clamp(min=0).sqrt().sum()), lost


def _gram(x: Tensor, middle: Tensor | None = None) -> Tensor:
    """Return the lower half of ``x.T @ x`` for x (n, D), or of ``x @ middle @ x.T`` for x (k, D) and a symmetric middle (D, D)."""
    left, right = (x.T, x) if middle is None else (x, _times_transposed(middle, x))
    found = x.new_zeros(len(left), len(left))
    for start in range(0, len(left), BLOCK):
        stop = min(start + BLOCK, len(left))
        columns = slice(start if _is_upper(left) else 0, None)
        found[start:stop, :stop] = left[start:stop, columns] @ right[columns, :stop]
    return found


def _times_transposed(middle: Tensor, x: Tensor) -> Tensor:
    """Return ``middle @ x.T``, where x (k, D) may be upper triangular, without multiplying its zeros."""
    if not _is_upper(x):
        return middle @ x.T
    found = middle.new_empty(len(middle), len(x))
    for start in range(0, len(x), BLOCK):
        stop = min(start + BLOCK, len(x))
        torch.matmul(middle[:, start:], x[start:stop, start:].T, out=found[:, start:stop])
    return found


def _is_upper(x: Tensor) -> bool:
    return x.shape[0] == x.shape[1] > BLOCK and not bool(torch.tril(x, -1).any())


def _symmetric(lower: Tensor) -> Tensor:
    return lower.tril() + lower.tril(-1).T


def _centred(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Return samples (n, D) less their mean, over the root of n - 1, and the mean (D,)."""
    mean = samples.mean(0)
    return (samples - mean).div_((len(samples) - 1) ** 0.5), mean


def _samples(features: Tensor, name: str) -> Tensor:
    features = torch.as_tensor(features).detach().to("cpu", torch.float64)
    if features.ndim != 2:
        raise MetricError(f"Fréchet distance: {name} must be (samples, features), got the shape {tuple(features.shape)}")
    if len(features) < 2:
        raise MetricError(f"Fréchet distance: {name} has {len(features)} samples; a covariance needs at least 2")
    if not torch.isfinite(features).all():
        raise MetricError(f"Fréchet distance: {name} holds NaN or infinity")
    return features


def _moments(mean: Tensor, covariance: Tensor, *, which: int) -> tuple[Tensor, Tensor]:
    mean, covariance = (torch.as_tensor(value).detach().to("cpu", torch.float64) for value in (mean, covariance))
    if mean.ndim != 1 or tuple(covariance.shape) != (len(mean), len(mean)):
        raise MetricError(
            f"Fréchet distance: a mean (D,) and a covariance (D, D) are expected, got mu{which} {tuple(mean.shape)} "
            f"and sigma{which} {tuple(covariance.shape)}"
        )
    for name, value in ((f"mu{which}", mean), (f"sigma{which}", covariance)):
        if not torch.isfinite(value).all():
            raise MetricError(f"Fréchet distance: {name} holds NaN or infinity")
    if not torch.allclose(covariance, covariance.T, rtol=1e-6, atol=1e-9 * float(covariance.abs().max()) if covariance.numel() else 0.0):
        raise MetricError(f"Fréchet distance: sigma{which} is not symmetric, so it is no covariance")
    return mean, (covariance + covariance.T) / 2
