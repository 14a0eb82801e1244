"""Generators and discriminators: ordinary modules, one file a family, found by name."""

from autogc.models import (  # noqa: F401  (registers)
    dcgan,
    mobile_resnet,
    mobile_spade,
    multi_scale,
    patchgan,
    resnet,
    spade,
    srgan,
    srresnet,
    stargan,
    unet,
)
from autogc.models.build import build_completed, build_generator_component, completed, generator_problems
from autogc.models.custom import imported_modules
from autogc.models.registry import DISCRIMINATORS, GENERATORS
from autogc.models.verdict import Verdict, as_verdict

__all__ = [
    "DISCRIMINATORS",
    "GENERATORS",
    "Verdict",
    "as_verdict",
    "build_completed",
    "build_generator_component",
    "completed",
    "generator_problems",
    "imported_modules",
]
