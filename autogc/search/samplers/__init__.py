"""Samplers by name: how the next candidate is chosen.

A sampler is a file here that registers it, an import below, and a row in ``tests/contracts/test_samplers.py``.
"""

from autogc.search.samplers import auto, gp, nsga2, nsga3, optuna_classes, tpe, uniform
from autogc.search.samplers.base import FIRST, SAMPLERS, Plan, Setting, Strategy
from autogc.search.samplers.plan import directions_of, make_plan

__all__ = [
    "FIRST",
    "SAMPLERS",
    "Plan",
    "Setting",
    "Strategy",
    "auto",
    "directions_of",
    "gp",
    "make_plan",
    "nsga2",
    "nsga3",
    "optuna_classes",
    "tpe",
    "uniform",
]
