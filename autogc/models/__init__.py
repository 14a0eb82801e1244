"""Generators and discriminators: ordinary modules, one file a family, found by name."""

from autogc.models import (  # noqa: F401  (registers)
    dcgan,
    mobile_resnet,
    multi_scale,
    patchgan,
    resnet,
    spade,
    srgan,
    srresnet,
    stargan,
    unet,
)
from autogc.models.registry import DISCRIMINATORS, GENERATORS
from autogc.models.verdict import Verdict, as_verdict

__all__ = ["DISCRIMINATORS", "GENERATORS", "Verdict", "as_verdict"]
