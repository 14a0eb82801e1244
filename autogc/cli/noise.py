"""Keeping other libraries quiet, so that what the user sees is autogc's own."""

from __future__ import annotations

import logging
import os
import warnings

LOUD = ("alembic", "DeepSpeed", "deepspeed", "fvcore", "mlflow", "optuna", "ray", "torch", "sqlalchemy")

# Read by the libraries when they are imported, here and in the workers that are started from here.
ENVIRONMENT = {
    "PYTHONWARNINGS": "ignore",
    "RAY_DEDUP_LOGS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}


def silence() -> None:
    """Hide the warnings and logs of third-party libraries, below errors. Call it before they are imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore")
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)
