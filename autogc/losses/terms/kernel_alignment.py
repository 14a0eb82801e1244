"""Whether two generators find the same things alike, whatever their widths."""

from __future__ import annotations

from torch import Tensor

from autogc.losses.terms.term import FEATURES, TERMS, Seen, one_of, total

LEAST = 1e-12


def kernel_alignment(x: Tensor, y: Tensor) -> Tensor:
    """Return ``KA(X, Y) = |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F)``, the normalised linear kernel alignment of CAT (Jin et al., CVPR 2021,
    section 3.4).

    ``x`` is (n, p), ``y`` (n, q): n samples seen by two networks. In [0, 1], higher is more alike; 1 where one is a rotation and a
    multiple of the other. Orthogonal maps and scales of either change nothing. Raises ValueError where they have another number of rows.
    """
    if x.shape[0] != y.shape[0]:
        raise ValueError(f"{x.shape[0]} samples cannot be aligned with {y.shape[0]}")
    # The trace of two n x n Gram matrices' product is the same number: whichever matrices are smaller.
    if x.shape[0] < min(x.shape[1], y.shape[1]):
        x, y = x @ x.T, y @ y.T
        return (x * y).sum() / (x.norm() * y.norm()).clamp_min(LEAST)
    return (y.T @ x).square().sum() / ((x.T @ x).norm() * (y.T @ y).norm()).clamp_min(LEAST)


def samples(features: Tensor, rows: str) -> Tensor:
    """Return features (N, C, H, W) as samples: each of N H W positions with C values, or each of N images with C H W."""
    return features.movedim(1, -1).flatten(0, -2) if rows == "positions" else features.flatten(1)


@TERMS.register("kernel_alignment")
class KernelAlignment:
    """``1 - KA``, summed over ``losses.distillation_layers``, of the student's features as they are and the teacher's: CAT (Jin et al.,
    CVPR 2021). No adapters are learned, so a subnet's features are compared at whatever width it has.

    ``rows: positions`` (the default) takes every position of every image as a sample, which is what makes it global (GKA);
    ``rows: images`` takes every image as one, as the released code does: it then needs several images a worker, and is 0 with one.
    The alignment is that of each worker's own part of a batch.
    """

    needs = frozenset({FEATURES})
    discriminator: str | None = None

    def __init__(self, *, rows: str = "positions") -> None:
        self.rows = one_of("rows", rows, ("positions", "images"))

    def __call__(self, seen: Seen) -> Tensor:
        parts = []
        for mine, other in zip(seen.features, seen.teacher_features, strict=True):
            # Their scale makes no difference to the value, but to what float32 can hold.
            x, y = (samples(one, self.rows) for one in (mine, other.detach()))
            x, y = (one / one.norm().clamp_min(LEAST) for one in (x, y))
            parts.append(1 - kernel_alignment(x, y))
        return total(parts)
