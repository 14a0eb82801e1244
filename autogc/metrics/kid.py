"""The Kernel Inception Distance (Binkowski et al., "Demystifying MMD GANs", ICLR 2018).

The squared maximum mean discrepancy of two sets of features under the kernel ``k(x, y) = (x.y / D + 1)^3``, by the unbiased estimator:
the mean of ``k`` over pairs of different generated pictures, plus that over pairs of different real ones, less twice that over all pairs
of one of each. Being unbiased, it is below zero about as often as above where the two sets are alike. Everything is float64.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from autogc.metrics.features import blocks, checked, same_width
from autogc.metrics.metric import Metric, Observation, Setting

# The kernels of so many pictures with each other are kept for resampling them, 512 MB at most; those of more are computed each time.
WHOLE = 8192


def kernel(first: Tensor, second: Tensor) -> Tensor:
    """Return ``(x.y / D + 1)^3`` of rows (a, D) and (b, D): (a, b)."""
    values = first @ second.T
    values.div_(first.shape[1]).add_(1)
    return values * values * values


def kernel_distance(features: Tensor, reference: Tensor, *, within_reference: float | None = None) -> float:
    """Return the squared MMD of features (n, D) and (m, D) over all pairs, unbiased, lower is better.

    ``within_reference`` is ``mean_within(reference)``, for a caller that compares many with one. Raises ``MetricError`` for fewer than two
    pictures, values that are not finite, and features of two networks.
    """
    features, reference = (checked(values, metric="KID", least=2) for values in (features, reference))
    same_width(features, reference, metric="KID")
    real = float(mean_within(reference)) if within_reference is None else within_reference
    across = sum(float(kernel(features[part], reference).sum()) for part in blocks(len(features)))
    return float(mean_within(features)) + real - 2 * across / (len(features) * len(reference))


def mean_within(features: Tensor) -> Tensor:
    """Return the mean kernel of two different rows of (n, D), a scalar."""
    total = torch.zeros((), dtype=torch.float64)
    for part in blocks(len(features)):
        rows = kernel(features[part], features)
        total += rows.sum() - rows.diagonal(part.start).sum()
    return total / (len(features) * (len(features) - 1))


class Kid(Metric):
    """KID over all pairs, or the mean over random subsets as published."""

    name = "kid"
    title = "KID"
    meaning = "squared MMD between generated and real images, lower is better, 0 or less where they are alike; unbiased, but noisy"
    higher_is_better = False
    needs = frozenset({"features", "real_features"})
    least = 2
    digits = 5

    @classmethod
    def fewest(cls, setting: Setting) -> int:
        return setting.kid.subset_size if setting.kid.subsets else cls.least

    def observe(self, seen: Observation) -> Tensor:
        assert seen.features is not None
        return seen.features

    def score(self, kept: Tensor) -> float:
        if self.setting.kid.subsets:
            return float(self._subset_scores(kept).mean())
        return kernel_distance(kept, self._real, within_reference=self._within_real)

    def details(self, kept: Tensor) -> dict[str, float]:
        """Return the standard deviation over the subsets."""
        return {"std": float(self._subset_scores(kept).std(unbiased=False))} if self.setting.kid.subsets else {}

    def resampled(self, rows: Tensor) -> float:
        """Return KID over all pairs of a selection, without the pairs of a picture and its own copies.

        Those pairs are no two draws of the generator, and ``k(x, x)`` is large: with them every selection would seem worse than it is.
        """
        counts = torch.bincount(rows, minlength=len(self.kept)).double()
        total = sum(float(counts[part] @ self._kernels(part) @ counts) for part in blocks(len(self.kept)))
        pairs = float(counts.sum().square() - counts.square().sum())
        return total / pairs + self._within_real - 2 * float(counts @ self._across / counts.sum())

    @property
    def _real(self) -> Tensor:
        assert self.setting.reference is not None and self.setting.reference.features is not None
        return self.setting.reference.features

    @property
    def _within_real(self) -> float:
        assert self.setting.reference is not None
        return float(self.setting.reference.once("kid", lambda real: mean_within(checked(real, metric="KID", least=2))))

    @cached_property
    def _across(self) -> Tensor:
        """Each generated picture's mean kernel with the real ones, (n,)."""
        real = checked(self._real, metric="KID", least=2)
        return torch.cat([kernel(self._made[part], real).mean(1) for part in blocks(len(self._made))])

    @cached_property
    def _made(self) -> Tensor:
        """The generated pictures' features, float64 (n, D), where networks give float32."""
        return checked(self.kept, metric="KID", least=2)

    def _kernels(self, part: slice) -> Tensor:
        """Return the kernels of some generated pictures with all, zero with themselves."""
        if len(self.kept) <= WHOLE:
            return self._all_kernels[part]
        return _without_itself(kernel(self._made[part], self._made), start=part.start)

    @cached_property
    def _all_kernels(self) -> Tensor:
        return _without_itself(kernel(self._made, self._made), start=0)

    def _subset_scores(self, kept: Tensor) -> Tensor:
        size, draws = self.setting.kid.subset_size, torch.Generator().manual_seed(self.setting.seed)
        found = []
        for _ in range(self.setting.kid.subsets):
            made, real = (values[torch.randperm(len(values), generator=draws)[:size]] for values in (kept, self._real))
            found.append(kernel_distance(made, real))
        return torch.tensor(found, dtype=torch.float64)

    @classmethod
    def protocol(cls, setting: Setting) -> str:
        taken = f"the mean over {setting.kid.subsets} random subsets of {setting.kid.subset_size}" if setting.kid.subsets else "all pairs"
        return f"unbiased MMD^2, kernel (x.y / D + 1)^3, {taken}"


def _without_itself(kernels: Tensor, *, start: int) -> Tensor:
    kernels.diagonal(start).zero_()
    return kernels
