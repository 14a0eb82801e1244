"""The tree-structured Parzen estimator."""

from __future__ import annotations

from optuna.samplers import TPESampler

from autogc.search.samplers.base import LEARNING_PATIENCE, SAMPLERS, Plan, Strategy


@SAMPLERS.register("tpe")
def tpe(*, n_startup_trials: int = 10, n_ei_candidates: int = 24, multivariate: bool = True, constant_liar: bool = True) -> Strategy:
    """Tree-structured Parzen estimator; candidates under evaluation count as bad ones (constant liar), so that workers spread out."""
    return lambda setting: Plan(
        TPESampler(
            n_startup_trials=n_startup_trials,
            n_ei_candidates=n_ei_candidates,
            multivariate=multivariate,
            constant_liar=constant_liar,
            seed=setting.seed,
        ),
        patience=LEARNING_PATIENCE,
    )
