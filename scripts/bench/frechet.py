#!/usr/bin/env python3
"""Compare autogc's Fréchet distance with the classic route, in one process, on the same features.

The classic route takes numpy's covariance of the generated pictures' features and scipy's root of the product of two covariances; the
real pictures' mean and covariance are ready for it, as the reference is for autogc. Features are synthetic: normal, mixed so that
their covariance falls off with the power -1.6 of its rank, and rectified, as pooled activations are.

    python scripts/bench/frechet.py
    python scripts/bench/frechet.py --pictures 140 --repeats 5
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import torch

from autogc.cost.latency import device_name
from autogc.metrics.frechet import Reference


def features(count: int, mixing: torch.Tensor, *, seed: int) -> torch.Tensor:
    """Return float32 features (count, D)."""
    draws = torch.Generator().manual_seed(seed)
    return (torch.randn(count, len(mixing), generator=draws) @ mixing.T).relu()


def classic(found: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> float:
    """Return the distance as the formula is written."""
    own = np.cov(found, rowvar=False)
    root = scipy.linalg.sqrtm(own @ covariance)
    apart = found.mean(0) - mean
    return float(apart @ apart + np.trace(own) + np.trace(covariance) - 2 * np.trace(root).real)


def exact(found: torch.Tensor, real: torch.Tensor) -> float:
    """Return the distance by singular values of both samples alone, which loses no digits whatever the rank."""
    first, second = ((x.double() - x.double().mean(0)) / (len(x) - 1) ** 0.5 for x in (found, real))
    apart = (found.double().mean(0) - real.double().mean(0)).square().sum()
    nuclear = torch.linalg.svdvals(torch.linalg.qr(first).R @ torch.linalg.qr(second).R.T).sum()
    return float(apart + first.square().sum() + second.square().sum() - 2 * nuclear)


def quickest(function: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the shortest time of ``repeats`` calls in seconds, and what the last gave."""
    best, found = float("inf"), None
    for _ in range(repeats):
        start = time.perf_counter()
        found = function()
        best = min(best, time.perf_counter() - start)
    return best, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, nargs="+", default=[140, 2048, 5000, 10000], help="how many are generated")
    parser.add_argument("--real", type=int, default=5000, help="how many real ones they are compared with")
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=3, help="the shortest of so many runs counts, for both routes")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)

    draws = torch.Generator().manual_seed(0)
    falling = torch.arange(1, given.features + 1) ** -0.8
    mixing = torch.randn(given.features, given.features, generator=draws) * falling
    real = features(given.real, mixing, seed=1)
    prepared, reference = quickest(lambda: Reference(real), 1)
    mean, covariance = real.double().numpy().mean(0), np.cov(real.double().numpy(), rowvar=False)
    print(f"{device_name(torch.device('cpu'))}, {given.threads} threads of {os.cpu_count()} cores, torch {torch.__version__}, ", end="")
    print(f"scipy {scipy.__version__}; {given.features} features, {given.real} real pictures, prepared once in {prepared:.2f} s")
    print(f"{'pictures':>9} {'classic s':>10} {'autogc s':>10} {'ratio':>7} {'distance':>12} {'relative error: classic, autogc':>32}")
    for count in given.pictures:
        found = features(count, mixing, seed=2) * 1.1
        ours, distance = quickest(lambda found=found: reference.distance(found), given.repeats)
        theirs, expected = quickest(lambda found=found: classic(found.double().numpy(), mean, covariance), given.repeats)
        truth = exact(found, real)
        differences = f"{abs(expected / truth - 1):.1e}, {abs(distance / truth - 1):.1e}"
        print(f"{count:>9} {theirs:>10.3f} {ours:>10.4f} {theirs / ours:>6.0f}x {distance:>12.4f} {differences:>32}", flush=True)


if __name__ == "__main__":
    main()
