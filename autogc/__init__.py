"""autogc: smaller, faster generators under hard limits, found by a search over one weight-shared supernet.

The whole job, in a notebook::

    import autogc

    experiment = autogc.load_experiment("search_spaces/quickstart.yaml", overrides=["search.evaluations=60"])
    with autogc.Run.open("runs/quickstart", experiment) as run:
        report = autogc.run_stages(run)
    package = autogc.load_package(report.chosen)
    images = package.module(inputs)

Names are imported when they are first used: ``import autogc`` loads none of torch, Ray, Optuna, MLflow and DeepSpeed.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "AutogcError": "autogc.errors",
    "Candidate": "autogc.supernet.candidate",
    "Experiment": "autogc.config.experiment",
    "Run": "autogc.pipeline",
    "Space": "autogc.supernet.space",
    "Supernet": "autogc.supernet.supernet",
    "check": "autogc.pipeline",
    "evaluate_package": "autogc.pipeline",
    "export_subnet": "autogc.pipeline",
    "finetune_package": "autogc.pipeline",
    "load_experiment": "autogc.config.load",
    "load_package": "autogc.export",
    "make_plan": "autogc.pipeline",
    "run_stages": "autogc.pipeline",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'autogc' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
