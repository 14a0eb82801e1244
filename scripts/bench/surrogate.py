#!/usr/bin/env python3
"""Compare the model of the scores with BoTorch's Gaussian processes: how well it ranks unseen candidates, and how long it takes.

Each is fitted to the same random candidates of a space whose scores are known (spaces/), with the same warped scores; categories
are one-hot for SingleTaskGP, a kernel of their own for MixedSingleTaskGP. Needs botorch (the extra ``samplers``).

    python scripts/bench/surrogate.py
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.models.gp_regression_mixed import MixedSingleTaskGP
from gpytorch.mlls import ExactMarginalLogLikelihood
from scipy.stats import spearmanr
from search import SPACES

from autogc.search.encoding import Encoding
from autogc.search.feasibility import FeasibleRegion
from autogc.search.features import Features
from autogc.search.score_model import ScoreModel
from autogc.search.warp import Warp

HELD = 1000  # candidates that the ranking is looked at on
BEST = 0.25  # the share of them that matters most


def main() -> None:
    """Fit, rank, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=["chain", "table"])
    parser.add_argument("--told", nargs="+", type=int, default=[50, 100], metavar="N")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print("Spearman's rank correlation on unseen candidates, and on the best quarter of them; seconds of fit and predictions")
    print(f"{'space':10} {'told':>5}  {'model':20} {'all':>6} {'best':>6} {'s':>8}")
    for space in args.spaces:
        for told in args.told:
            found: dict[str, list[tuple[float, float, float]]] = {}
            for seed in range(args.seeds):
                for name, result in _once(space, told, seed).items():
                    found.setdefault(name, []).append(result)
            for name, results in found.items():
                overall, best, seconds = np.mean(results, axis=0)
                print(f"{space:10} {told:5}  {name:20} {overall:6.3f} {best:6.3f} {seconds:8.2f}")


def _once(space: str, told: int, seed: int) -> dict[str, tuple[float, float, float]]:
    landscape = SPACES[space]()
    encoding = Encoding(landscape.costs.space)
    draws = np.random.default_rng(seed)
    region = FeasibleRegion(encoding, landscape.costs, dict(landscape.constraints or {}), draws)
    whole = region.everything()
    rows = draws.permutation(region.draw(told + HELD) if whole is None else whole)[: told + HELD]
    values = np.array([landscape.evaluate(row, draws) for row in rows[:told]])
    values = values if landscape.log else -values
    warp = Warp(values)
    truth = landscape.truth(rows[told:])
    truth = warp(truth if landscape.log else -truth)
    best = truth < np.quantile(truth, BEST)
    ordered = np.array(encoding.ordered)
    scaled = torch.tensor(rows / np.maximum(encoding.sizes - 1, 1))
    hot = [np.eye(size)[rows[:, place]] if not ordered[place] else scaled[:, [place]] for place, size in enumerate(encoding.sizes)]
    one_hot = torch.tensor(np.concatenate(hot, axis=1))
    targets = torch.tensor(warp(values))[:, None]

    def ours() -> np.ndarray:
        return ScoreModel(Features(region), rows[:told], values).mean(rows[told:])

    def theirs(make: Callable[[torch.Tensor], SingleTaskGP], inputs: torch.Tensor) -> np.ndarray:
        model = make(inputs[:told])
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        model.eval()
        with torch.no_grad():
            return np.asarray(model.posterior(inputs[told:]).mean[:, 0].numpy())

    categorical = np.flatnonzero(~ordered).tolist()
    models: dict[str, Callable[[], np.ndarray]] = {
        "autogc": ours,
        "SingleTaskGP": lambda: theirs(lambda inputs: SingleTaskGP(inputs, targets), one_hot),
        "MixedSingleTaskGP": lambda: theirs(lambda inputs: MixedSingleTaskGP(inputs, targets, cat_dims=categorical), scaled),
    }
    results = {}
    for name, predict in models.items():
        start = time.perf_counter()
        mean = predict()
        seconds = time.perf_counter() - start
        results[name] = (float(spearmanr(mean, truth)[0]), float(spearmanr(mean[best], truth[best])[0]), seconds)
    return results


if __name__ == "__main__":
    main()
