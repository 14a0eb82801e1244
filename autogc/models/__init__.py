"""Generators and discriminators: ordinary modules, one file a family, found by name."""

from autogc.models import patchgan, resnet  # noqa: F401  (registers)
from autogc.models.registry import DISCRIMINATORS, GENERATORS

__all__ = ["DISCRIMINATORS", "GENERATORS"]
