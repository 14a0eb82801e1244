"""Keeping other libraries quiet, so that what the user sees is autogc's own."""

from __future__ import annotations

import logging
import os
import warnings

LOUD = ("alembic", "DeepSpeed", "deepspeed", "fvcore", "mlflow", "optuna", "ray", "torch", "sqlalchemy")

# Read by the libraries when they are imported, here and in the workers that are started from here.
ENVIRONMENT = {
    "PYTHONWARNINGS": "ignore",
    "GIT_PYTHON_REFRESH": "quiet",  # MLflow looks for git, and says at length where there is none
}


def silence() -> None:
    """Hide the warnings and logs of third-party libraries, below errors. Call it before they are imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore")
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)
