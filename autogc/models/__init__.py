"""Generators and discriminators: ordinary modules, one file a family, found by name."""

from autogc.models import dcgan, multi_scale, patchgan, resnet, spade, srresnet, stargan  # noqa: F401  (registers)
from autogc.models.registry import DISCRIMINATORS, GENERATORS
from autogc.models.verdict import Verdict, as_verdict

__all__ = ["DISCRIMINATORS", "GENERATORS", "Verdict", "as_verdict"]
